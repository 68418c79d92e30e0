"""A prediction that is told to stop, or to write where another does."""

import os
import signal

import numpy as np
import pytest
from conftest import Outcome
from PIL import Image
from test_files import another_writer

from srlab.io.raster.staged import StagedBlocks
from srlab.prediction.engines import making


@pytest.fixture
def picture(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (40, 90, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    return "in.png"


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def counted(monkeypatch):
    """The windows that are written from now on."""
    windows, write = [], StagedBlocks.write
    monkeypatch.setattr(
        StagedBlocks, "write", lambda self, *block: (windows.append(block[0]), write(self, *block))
    )
    return windows


@pytest.mark.parametrize(
    ("number", "code", "moment", "output"),
    [
        (signal.SIGTERM, 143, "write", "out.tif"),
        (signal.SIGTERM, 143, "copy", "out.png"),
        (signal.SIGINT, 130, "copy", "out.tif"),
        (signal.SIGHUP, 129, "write", "out.png"),
    ],
)
def test_a_stopped_prediction_goes_on_with_the_same_command(
    command, tmp_path, trained, picture, monkeypatch, number, code, moment, output
):
    """The signal comes after a block was written, or while the file is encoded."""
    method = getattr(StagedBlocks, moment)

    def stopped(*args):
        method(*args)
        os.kill(os.getpid(), number)

    monkeypatch.setattr(StagedBlocks, moment, stopped)
    monkeypatch.setattr(making, "SECONDS", 0)
    # The tests may run where such signals are ignored, as in the background or by nohup.
    usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    before = signal.signal(number, usual)
    given = (f"model={trained}/model.safetensors", f"input={picture}", f"output={output}")
    tiles = ("tile=32", "overlap=4")
    outcome = command("predict", *given, *tiles)
    assert signal.signal(number, before) == usual
    assert outcome == Outcome(code, "")
    assert files(tmp_path) == [picture, f"{output}.partial"]
    done = (tmp_path / f"{output}.partial" / "journal").read_text().splitlines()[1:]
    monkeypatch.setattr(StagedBlocks, moment, method)
    blocks = counted(monkeypatch)
    assert command("predict", *given, *tiles) == Outcome(0, "")
    assert files(tmp_path) == [picture, output]
    assert 0 < len(done) == 8 - len(blocks)
    assert command("predict", *given[:2], f"output=again_{output}", *tiles) == Outcome(0, "")
    assert (tmp_path / f"again_{output}").read_bytes() == (tmp_path / output).read_bytes()


def test_second_prediction_to_an_output_is_refused_before_its_model_is_opened(
    command, tmp_path, picture
):
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "damaged.ckpt").touch()
    with another_writer(tmp_path / "out.tif"):
        outcome = command(
            "predict", "model=damaged.ckpt", f"input={picture}", "output=link/out.tif"
        )
    assert outcome.code == 1
    assert "out.tif is in use: another process writes it" in outcome.error
    assert "\n" not in outcome.error


def test_what_a_killed_prediction_left_is_no_obstacle(command, tmp_path, trained, picture):
    for name in (".out.tif.lock", ".out.tif.partial.tif"):
        (tmp_path / name).write_bytes(b"half")
    given = (f"model={trained}/model.safetensors", f"input={picture}", "output=out.tif")
    assert command("predict", *given) == Outcome(0, "")
    assert files(tmp_path) == [picture, "out.tif"]
