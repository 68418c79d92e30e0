import csv

import numpy as np
import pytest
from conftest import Outcome
from PIL import Image
from skimage.data import astronaut
from skimage.metrics import peak_signal_noise_ratio

from srlab.degradations import Bicubic


def bicubic_psnr(pixels):
    """PSNR of Pillow's bicubic enlargement of LR, which equals ours but at the borders."""
    import torch

    hr = torch.from_numpy(np.moveaxis(pixels, -1, 0).astype(np.float32))[None]
    lr = Bicubic(scale=4, integers=[0, 255])(hr)[0].numpy()
    size = pixels.shape[1::-1]
    sr = np.stack(
        [np.asarray(Image.fromarray(band).resize(size, Image.Resampling.BICUBIC)) for band in lr],
        axis=-1,
    )
    return peak_signal_noise_ratio(pixels.astype(float), sr.astype(float), data_range=255)


def test_scores_and_picture_are_written(command, tmp_path, trained):
    given = (f"model={trained}/model.safetensors", "data=demo", "output=scores")
    assert command("evaluate", *given) == Outcome(0, "")
    with (tmp_path / "scores" / "scores.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float(row["psnr_bicubic"]) == pytest.approx(bicubic_psnr(astronaut()), abs=0.05)
    picture = Image.open(tmp_path / "scores" / "comparison.png")
    assert picture.width == 3 * 512 + 2 * 8
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scores"]


def test_untrained_network_with_a_cubic_skip_is_bicubic(command, tmp_path, trained):
    """The run was too short to learn: it scores like bicubic, as no wrong scale would."""
    given = (f"model={trained}/model.safetensors", "data=demo", "output=scores")
    assert command("evaluate", *given) == Outcome(0, "")
    with (tmp_path / "scores" / "scores.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float(row["psnr_model"]) == pytest.approx(float(row["psnr_bicubic"]), abs=3)


def test_bands_that_do_not_fit_are_refused(command, trained):
    outcome = command(
        "evaluate", f"model={trained}/model.safetensors", "data=demo", "data.bands=[1]"
    )
    assert outcome.code == 1
    assert "data.bands names 1 bands and the model takes 3" in outcome.error
