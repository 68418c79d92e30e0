"""``srlab`` alone, and before the name of a command."""

import importlib
import subprocess
import sys

import pytest

from srlab.cli.configuration import commands


def srlab(*arguments, folder):
    command = [sys.executable, "-m", "srlab", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_alone_it_lists_the_commands(tmp_path, arguments):
    done = srlab(*arguments, folder=tmp_path)
    assert done.returncode == 0
    for name, summary in commands().items():
        assert f"srlab {name} " in done.stdout
        assert summary in done.stdout


def test_every_command_has_an_entry_point():
    for name in commands():
        assert callable(importlib.import_module(f"srlab.{name}").main)


def test_command_behind_it_is_the_module(tmp_path):
    done = srlab("predict", "model=none.safetensors", "trust=maybe", folder=tmp_path)
    assert (done.returncode, done.stderr) == (
        1,
        "error: trust is 'maybe'; give true or false.\n",
    )


def test_misspelt_command_is_answered_with_the_right_one(tmp_path):
    done = srlab("evalute", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "error: evalute is no command of srlab; did you mean evaluate?\n"
