"""The wheel carries the configuration and works outside the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(folder),
        str(ROOT),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_every_configuration_is_in_the_wheel(wheel):
    expected = {f"srlab/{path.relative_to(ROOT)}" for path in (ROOT / "conf").rglob("*.yaml")}
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".yaml")}
    assert packed == expected


COMPOSE = """
import sys
import srlab.train
print(srlab.__file__, flush=True)
sys.argv = ["srlab.train", "--cfg", "job"]
srlab.train.main()
"""


def test_commands_compose_from_the_wheel(wheel, tmp_path):
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)
    empty = tmp_path / "empty"
    empty.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    compose = [sys.executable, "-c", COMPOSE]
    done = subprocess.run(
        compose, cwd=empty, env=environment, capture_output=True, text=True, check=True
    )
    where, _, composed = done.stdout.partition("\n")
    assert Path(where).is_relative_to(installed)
    assert "seed: 0" in composed
    assert not list(empty.iterdir())


def test_console_script_and_its_completion_are_in_the_wheel(wheel):
    packed = zipfile.ZipFile(wheel)
    (points,) = [name for name in packed.namelist() if name.endswith("entry_points.txt")]
    assert "srlab = srlab.__main__:main" in packed.read(points).decode()
    assert "srlab/cli/completion.bash" in packed.namelist()
