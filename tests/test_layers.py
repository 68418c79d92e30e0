"""The house's imports point one way, and no two modules need each other."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import srlab

SOURCE = Path(srlab.__file__).parent

FLOORS = [
    {"allocation", "axes", "files", "mistakes", "progress"},
    {"nn", "normalisers", "losses", "degradations", "io"},
    {"generators", "discriminators", "adversarial", "metrics", "data"},
    {"models"},
    {"prediction"},
    {"training", "report"},
    {"cli"},
    {"__main__", "train", "predict", "evaluate", "summary", "stats", "verify"},
]
FLOOR = {part: number for number, floor in enumerate(FLOORS) for part in floor}

LIGHTNING_MAY = ("training", "data.module", "cli.running")
HYDRA_MAY = ("cli", *FLOORS[-1])


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


FILES = {module_name(path): path for path in sorted(SOURCE.rglob("*.py"))}
FILES.pop("__init__")
MODULES = {name: ast.parse(path.read_text()) for name, path in FILES.items()}


def names_in(statements: list[ast.AST]) -> set[str]:
    found = set()
    for node in statements:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, "imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def imports(name: str) -> set[str]:
    """Everything that a module imports, wherever it does."""
    return names_in([*ast.walk(MODULES[name])])


def is_own_version(name: str) -> bool:
    return name in ("srlab", "srlab.__version__", "srlab.load", "srlab.tiled")


def pointing_up(here: str, wanted: set[str]) -> list[str]:
    """Those of the imports that stand above a module."""
    own = [name for name in wanted if name.startswith("srlab") and not is_own_version(name)]
    return [name for name in own if FLOOR[name.split(".")[1]] > FLOOR[here.split(".")[0]]]


def within(name: str, rooms: tuple[str, ...]) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def test_every_part_has_a_floor():
    assert {name.split(".")[0] for name in MODULES} == set(FLOOR)


def test_few_files_lie_loose_beside_the_entry_points():
    loose = {name for name in MODULES if "." not in name and FILES[name].name != "__init__.py"}
    assert len(loose - FLOORS[-1]) <= 10


def test_imports_never_point_up():
    assert not {name: up for name in MODULES if (up := pointing_up(name, imports(name)))}


def test_an_import_that_points_up_is_noticed():
    assert pointing_up("nn.blocks", {"srlab.training.ema.EMA", "srlab.axes.per_axis", "torch"})
    assert pointing_up("models.card", {"srlab.prediction"})
    assert not pointing_up("prediction.blocks", {"srlab.models.card.ModelCard", "srlab.load"})


def test_no_two_modules_need_each_other():
    needs = {}
    for name, tree in MODULES.items():
        wanted = {each.removeprefix("srlab.") for each in names_in(tree.body)}
        found = {each if each in MODULES else each.rpartition(".")[0] for each in wanted}
        needs[name] = (found & set(MODULES)) - {name}
    assert len([*TopologicalSorter(needs).static_order()]) == len(MODULES)


def test_lightning_is_imported_where_training_is():
    for name in MODULES:
        if not within(name, LIGHTNING_MAY):
            assert "lightning" not in {found.split(".")[0] for found in imports(name)}, name


def test_only_the_command_line_sees_configurations():
    for name in MODULES:
        if not within(name, HYDRA_MAY):
            heads = {found.split(".")[0] for found in imports(name)}
            assert not heads & {"hydra", "omegaconf"}, name
