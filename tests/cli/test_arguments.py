import subprocess
import sys

import pytest
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


@pytest.mark.parametrize("path", AWKWARD)
@pytest.mark.parametrize(
    "key",
    [
        *sorted(PATH_KEYS - {"hydra.run.dir", "hydra.sweep.dir"}),
        "loss.lpips.term.weights",
        "split.files",
    ],
)
def test_paths_survive_hydras_grammar(key, path):
    (argument,) = quoted([f"{key}={path}"])
    assert read_back(argument) == path


@given(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1))
def test_any_text_survives_hydras_grammar(path):
    quoted_by_the_user = len(path) > 1 and path[0] == path[-1] and path[0] in "'\""
    if not quoted_by_the_user and not path.startswith("~") and path != "null":
        assert read_back(*quoted([f"input={path}"])) == path


def test_a_list_of_files_is_left_to_hydra():
    assert quoted(["split.files=[a.tif,'b (1).tif']"]) == ["split.files=[a.tif,'b (1).tif']"]


@pytest.mark.parametrize("value", ["{name}_mask.tif", "masks/{name} (1).png", "{place}/{date}"])
def test_patterns_of_file_names_survive_under_any_key(value):
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


def test_multirun_flag_may_stand_anywhere(tmp_path):
    given = ["data.crop_size=50", "-m", "seed=1,2", "hydra.sweep.dir=sweep"]
    command = [sys.executable, "-m", "srlab.train", *given]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "unrecognized arguments" not in done.stderr
    assert "multiple of the scale" in done.stderr
    assert (tmp_path / "sweep" / "multirun.yaml").is_file()


HEAVY = ("torch", "lightning", "torchmetrics", "rasterio", "skimage")


@pytest.mark.parametrize(
    "statement",
    [
        "import srlab",
        "import sys; sys.argv = ['train', '--help']; import srlab.train; srlab.train.main()",
        "import sys; sys.argv = ['predict', '--help']; import srlab.predict; srlab.predict.main()",
        "import sys; sys.argv = ['', '--help']; import srlab.evaluate; srlab.evaluate.main()",
        "import sys; sys.argv = ['', '--help']; import srlab.summary; srlab.summary.main()",
    ],
)
def test_heavy_libraries_stay_out_of_the_way(statement):
    loaded = "lambda: print('LOADED', *sys.modules, file=sys.stderr)"
    report = f"import atexit, sys; atexit.register({loaded})"
    done = subprocess.run(
        [sys.executable, "-c", f"{report}\n{statement}"], capture_output=True, text=True, check=True
    )
    loaded = done.stderr.split("LOADED")[1].split()
    assert "srlab" in loaded
    assert not set(HEAVY) & set(loaded)
