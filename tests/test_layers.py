"""The house's imports point one way."""

import ast
from pathlib import Path

import pytest

import srlab

SOURCE = Path(srlab.__file__).parent

FLOORS = [
    {"axes", "files", "mistakes"},
    {"nn", "normalisers", "losses", "degradations", "io"},
    {"generators", "discriminators", "adversarial", "metrics", "data"},
    {"models"},
    {"prediction"},
    {"training", "report"},
    {"cli"},
    {"train", "predict", "evaluate", "summary"},
]
FLOOR = {part: number for number, floor in enumerate(FLOORS) for part in floor}

LIGHTNING_MAY = {"training", "data.module", "cli.assembly", "train"}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def is_own_version(name: str) -> bool:
    return name in ("srlab", "srlab.__version__", "srlab.load")


FILES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


def test_every_part_has_a_floor():
    assert {module_name(path).split(".")[0] for path in FILES} == set(FLOOR)


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_never_point_up(path):
    here = module_name(path).split(".")[0]
    for name in imports(path):
        if not name.startswith("srlab") or is_own_version(name):
            continue
        there = name.split(".")[1]
        # `from srlab import cli` names the part last
        assert FLOOR[there] <= FLOOR[here], (
            f"{module_name(path)} imports {name}, which stands above it"
        )


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_lightning_is_imported_where_training_is(path):
    name = module_name(path)
    if not any(name == may or name.startswith(f"{may}.") for may in LIGHTNING_MAY):
        assert not {found for found in imports(path) if found.split(".")[0] == "lightning"}


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_only_entry_points_see_configurations(path):
    if FLOOR[module_name(path).split(".")[0]] < FLOOR["cli"]:
        assert not {
            found for found in imports(path) if found.split(".")[0] in ("hydra", "omegaconf")
        }
