import os
import subprocess
import sys

import pytest

from srlab.cli.streams import patient_output


def closed_pipe():
    """The writing end of a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_writing_goes_on_when_nobody_reads(monkeypatch, name):
    with open(closed_pipe(), "w") as stream:
        monkeypatch.setattr(sys, name, stream)
        with patient_output():
            for _ in range(3):
                assert getattr(sys, name).write("line" * 10_000) == 40_000
                getattr(sys, name).flush()
        assert getattr(sys, name) is stream


def test_text_arrives_where_somebody_reads(capsys):
    with patient_output():
        sys.stdout.write("out\n")
        sys.stderr.write("error\n")
    assert tuple(capsys.readouterr()) == ("out\n", "error\n")


@pytest.mark.parametrize("arguments", [["--help"], ["model=none"]])
def test_command_into_a_closed_pipe_is_quiet(tmp_path, arguments):
    pipe = closed_pipe()
    command = [sys.executable, "-m", "srlab.predict", *arguments]
    done = subprocess.run(command, cwd=tmp_path, stdout=pipe, stderr=subprocess.PIPE, text=True)
    os.close(pipe)
    assert "BrokenPipe" not in done.stderr
    assert done.returncode == (1 if arguments == ["model=none"] else 0)
