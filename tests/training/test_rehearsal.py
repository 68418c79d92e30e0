"""Mistakes of validation that end a run before its first update, and resumes that stay exact."""

import shutil

import numpy as np
import pytest
import rasterio
from conftest import Outcome, run_command
from small_runs import SMALL, checkpoint, rows, train

from srlab.training.callbacks import ImageGrid

GIVEN = [
    *("generator.channels=4", "generator.blocks=1", "discriminator=none", "scale=2", "ema=null"),
    *("data=rgb_folder", "data.crop_size=16", "loader.batch_size=1", "loader.num_workers=0"),
    *("trainer.max_steps=3", "trainer.val_check_interval=2", "trainer.log_every_n_steps=1"),
    *("logger=[csv]", "hydra.run.dir=run"),
]
MISTAKES = {
    "metric=[psnr,ms_ssim]": "MS-SSIM of 5 levels through windows of (11, 11) pixels needs images",
    "metric=[psnr,psnr_y] data.bands=[1,2]": "the benchmarks' protocol is for 8-bit images of 1 or",
    "metric=[psnr,spectral_angle] data.bands=[2]": "a spectral angle needs two channels or more",
    "callbacks.checkpoints.monitor=val/psnr_y": "monitor is 'val/psnr_y', which validation does",
    "callbacks.checkpoints.monitor=val/psnr_bicubik": "it reports val/psnr, val/psnr_bicubic, val",
    "logger=[csv,tensorboard] callbacks.image_grid.channels=[1,9]": "channels",
}


def scene(path, *, missing=()):
    """Write noise of 96 × 64 pixels with rows without data."""
    pixels = np.random.default_rng(0).integers(1, 255, (3, 96, 64)).astype(np.uint8)
    pixels[:, [*missing]] = 0
    profile = {"driver": "GTiff", "count": 3, "height": 96, "width": 64, "dtype": "uint8"}
    with rasterio.open(path, "w", nodata=0, **profile) as file:
        file.write(pixels)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
class TestBeforeTheFirstUpdate:
    @pytest.fixture
    def refused(self, command, tmp_path):
        def run(*given):
            outcome = command("train", *GIVEN, "data.root=a.tif", *given)
            assert outcome.code == 1
            assert not (tmp_path / "run" / "metrics.csv").exists()
            return outcome.error

        return run

    @pytest.fixture
    def refused_and_logged(self, refused, tmp_path):
        def run(*given):
            error = refused(*given)
            assert error.removeprefix("error: ") in (tmp_path / "run" / "train.log").read_text()
            return error

        return run

    @pytest.mark.parametrize("given", MISTAKES)
    def test_validation_is_tried(self, refused_and_logged, tmp_path, given):
        scene(tmp_path / "a.tif")
        assert MISTAKES[given] in refused_and_logged(*given.split(), "split.fraction=0.5")

    def test_validation_without_any_data_is_refused(self, refused_and_logged, tmp_path):
        scene(tmp_path / "a.tif", missing=range(80, 96))
        error = refused_and_logged("split.fraction=0.167")
        assert "no pixel of the 1 validation views holds data" in error

    def test_training_without_any_data_is_refused(self, refused, tmp_path):
        scene(tmp_path / "a.tif", missing=range(80))
        error = refused("split.fraction=0.167")
        assert "no training crop holds a value in every band in 128 of its 256 pixels" in error
        assert not (tmp_path / "run").exists()  # nothing had begun


def test_every_shape_is_tried_once_and_left_as_it_was(tmp_path, monkeypatch):
    """Three views of different sizes are drawn before training, and no update depends on it."""
    given = [*SMALL, "data.holes=false", "data.views=3", "loader.batch_size=2", "logger=[csv]"]
    given += ["trainer.max_steps=4", "trainer.val_check_interval=2", "callbacks.checkpoints.keep=2"]
    tried = []

    def rehearse(self, trainer, module, sr, batch):
        assert not any(part.training for part in module.modules())
        tried.append((trainer.global_step, tuple(sr.shape)))

    monkeypatch.setattr(ImageGrid, "rehearse", rehearse)
    whole = train(tmp_path / "whole", *given)
    assert tried == [(0, (1, 2, rows, 64)) for rows in (20, 28, 36)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("srlab.training.rehearsal.Rehearsal.on_train_start", lambda *_: None)
        alone = train(tmp_path / "alone", *given)
    assert rows(alone) == rows(whole)
    part = tmp_path / "part"
    shutil.copytree(whole, part)
    halfway = [f for f in (part / "checkpoints").glob("best*") if checkpoint(part, f.stem)]
    halfway = [f for f in halfway if checkpoint(part, f.stem)["global_step"] == 2]
    shutil.copy(halfway[0], part / "checkpoints" / "last.ckpt")
    (part / "status.json").unlink()
    assert run_command("train", ["resume=last", f"hydra.run.dir={part}"]) == Outcome(0, "")
    ends = [checkpoint(each)["state_dict"] for each in (whole, alone, part)]
    assert all(ends[0][name].equal(end[name]) for end in ends[1:] for name in ends[0])
