import subprocess
import sys

from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from srlab.cli.arguments import PATH_KEYS, flags_first, quoted

AWKWARD = [
    "scene (1).tif",
    "x=1.tif",
    "a[1].tif",
    "a,b.tif",
    "{a}.tif",
    "a~b.tif",
    "café é.tif",
    "it's.tif",
    'say "hi".tif',
    "C:\\scenes\\a.tif",
    "ends in \\",
    "\\'",
    "${x}.tif",
    "\\${x}.tif",
    "a#b.tif",
    "null.tif",
    "1",
    "true",
]


def read_back(argument: str) -> str:
    """What a command gets to see of an argument, through Hydra's parser and OmegaConf."""
    override = OverridesParser.create().parse_override(argument)
    return OmegaConf.create({"value": str(override.value())}).value


def test_paths_survive_hydras_grammar():
    found = {path: read_back(*quoted([f"input={path}"])) for path in AWKWARD}
    assert found == {path: path for path in AWKWARD}


def test_paths_survive_under_every_key():
    path = "a b, (1)=[2].tif"
    keys = PATH_KEYS - {"hydra.run.dir", "hydra.sweep.dir"}
    for key in (*keys, "loss.lpips.term.weights", "split.files"):
        assert read_back(*quoted([f"{key}={path}"])) == path, key


@given(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1))
def test_any_text_survives_hydras_grammar(path):
    quoted_by_the_user = len(path) > 1 and path[0] == path[-1] and path[0] in "'\""
    if not quoted_by_the_user and not path.startswith("~") and path != "null":
        assert read_back(*quoted([f"input={path}"])) == path


def test_a_list_of_files_is_left_to_hydra():
    assert quoted(["split.files=[a.tif,'b (1).tif']"]) == ["split.files=[a.tif,'b (1).tif']"]


def test_a_list_of_images_in_files_survives():
    (argument,) = quoted(["input=[a.lif#cell 1, b.lif#2]"])
    assert read_back(argument) == "['a.lif#cell 1', 'b.lif#2']"
    assert quoted([argument]) == [argument]


def test_patterns_of_file_names_survive_under_any_key():
    for value in ("{name}_mask.tif", "masks/{name} (1).png", "{place}/{date}"):
        assert read_back(*quoted([f"data.mask={value}"])) == value
        assert read_back(*quoted([f"data.mask='{value}'"])) == value
    assert quoted(["data.mask=SCL"]) == ["data.mask=SCL"]


def test_home_is_expanded(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    assert read_back(*quoted(["input=~/a b.tif"])) == "/home/someone/a b.tif"


def test_other_arguments_are_left_alone():
    arguments = [
        "generator=rrdb",
        "data.bands=[1,2]",
        "-m",
        "seed=1,2",
        "resume=null",
        "--cfg",
        "job",
    ]
    assert quoted(arguments) == arguments


def test_a_path_can_be_swept():
    assert quoted(["-m", "data.root=a,b"]) == ["-m", "data.root=a,b"]
    assert quoted(["data.root=a,b"]) == ["data.root='a,b'"]


def test_run_folder_keeps_its_interpolations():
    assert quoted(["hydra.run.dir=runs/${name}"]) == ["hydra.run.dir='runs/${name}'"]


def test_flags_come_first_with_their_values():
    mixed = ["seed=1", "--cfg", "job", "scale=2", "-m", "-sc", "query=bash"]
    assert flags_first(mixed) == ["--cfg", "job", "-m", "-sc", "seed=1", "scale=2", "query=bash"]


def test_multirun_flag_may_stand_anywhere(command, tmp_path):
    given = ["data.crop_size=50", "-m", "seed=1,2", "hydra.sweep.dir=sweep"]
    assert "multiple of the scale" in command("train", *given).error
    assert (tmp_path / "sweep" / "multirun.yaml").is_file()


HEAVY = ("torch", "lightning", "torchmetrics", "rasterio", "skimage")

HELP_OF_EVERY_COMMAND = """
import importlib, sys
for name in ("train", "predict", "evaluate", "summary"):
    sys.argv = [name, "--help"]
    try:
        importlib.import_module(f"srlab.{name}").main()
    except SystemExit as exit_:
        assert not exit_.code
    print(name, *sys.modules, file=sys.stderr)
"""


def test_heavy_libraries_stay_out_of_the_way_of_help():
    command = [sys.executable, "-c", HELP_OF_EVERY_COMMAND]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()
    assert [line.split()[0] for line in lines] == ["train", "predict", "evaluate", "summary"]
    assert {"srlab.train", "srlab.predict"} <= set(lines[-1].split())
    assert not set(HEAVY) & set(lines[-1].split())
