"""Bash, in a terminal, completes what a user has begun to type."""

import os
import pty
import shutil
import subprocess
import sys

import pytest
from conftest import run_command

TYPED = {
    "srlab su": "srlab summary",
    "srlab train generator=stoc": "srlab train generator=stochastic",
    "srlab train generator=rrdb generator.grow": (
        "srlab train generator=rrdb generator.growth_channels="
    ),
    "srlab predict input=sc": "srlab predict input=scene.tif",
    "python -m srlab.ev": "python -m srlab.evaluate",
    "python -m srlab.train discr": "python -m srlab.train discriminator",
    "python -m srlab.train scale=2 loss=perceptual_vgg_": (
        "python -m srlab.train scale=2 loss=perceptual_vgg_slices"
    ),
    "python -m srlab.evaluate data=rgb": "python -m srlab.evaluate data=rgb_folder",
    "python -m srlab summary load": "python -m srlab summary loader.",
    "python oth": "python other.py",
}
TAB, TO_THE_START = "\t", "\x01"


def in_bash(typed: str, folder) -> str:
    """What an interactive bash shows when text is typed into its terminal."""
    terminal, end = pty.openpty()
    environment = os.environ | {"INPUTRC": os.devnull, "TERM": "dumb", "PS1": "$ ", "HISTFILE": ""}
    environment["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
    bash = ["bash", "--norc", "--noprofile", "-i"]
    with subprocess.Popen(
        bash, stdin=end, stdout=end, stderr=end, cwd=folder, env=environment, start_new_session=True
    ):
        os.close(end)
        os.write(terminal, typed.encode())
        shown = b""
        try:
            while part := os.read(terminal, 4096):
                shown += part
        except OSError:  # the end of a terminal whose last process has gone
            pass
    os.close(terminal)
    return shown.decode()


@pytest.fixture(scope="module")
def completed(tmp_path_factory):
    """What becomes of each line of `TYPED` by the tabulator key."""
    folder = tmp_path_factory.mktemp("typed")
    for name, arguments in {"srlab": ' -m srlab "$@"', "python": ' "$@"'}.items():
        (folder / name).write_text(f"#!/bin/sh\nexec {sys.executable}{arguments}\n")
        (folder / name).chmod(0o755)
    (folder / "scene.tif").touch()
    (folder / "other.py").touch()
    lines = [f"{line}{TAB}{TO_THE_START}echo GIVES \r" for line in TYPED]
    shown = in_bash('eval "$(srlab -sc install=bash)"\r' + "".join(lines) + "exit\r", folder)
    given = [line for line in shown.splitlines() if line.startswith("GIVES ")]
    return dict(zip(TYPED, [line.removeprefix("GIVES ").strip() for line in given], strict=True))


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is missing.")
def test_bash_completes_commands_groups_choices_and_keys(completed):
    for typed in TYPED:
        assert completed[typed] == TYPED[typed]


@pytest.mark.parametrize("command", ["train", "summary", "predict"])
def test_every_command_prints_the_script_for_bash(capsys, command):
    assert run_command(command, ["-sc", "install=bash"]).code == 0
    assert "complete -o nospace -o default -F _srlab srlab" in capsys.readouterr().out
