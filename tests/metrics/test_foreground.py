import re

import numpy as np
import pytest
import torch
from metric_checks import noise, random, scoring
from skimage.data import cell, coins
from skimage.filters import threshold_otsu
from skimage.metrics import structural_similarity

from srlab.metrics import ERGAS, MAE, PSNR, RMSE, SSIM, Foreground
from srlab.normalisers import Statistics


def object_in_the_dark(*size):
    """A bright ball: HR, and SR that is wrong around it, both ``(1, 1, *size)``."""
    grid = np.meshgrid(*[np.linspace(-1, 1, side) for side in size], indexing="ij")
    inside = torch.from_numpy(np.linalg.norm(grid, axis=0) < 0.6)
    hr = torch.where(inside, 0.7, 0.05) + 0.02 * noise(1, 1, *size)
    return hr + torch.where(inside, 0.02, 0.5) * noise(1, 1, *size, seed=1), hr, inside.numpy()


def values_among(sr, hr, inside):
    return sr[0, 0].numpy()[inside], hr[0, 0].numpy()[inside]


@pytest.mark.parametrize("size", [(40, 31), (13, 14, 12)], ids=str)
def test_errors_are_those_of_the_pixels_of_the_object(size):
    sr, hr, inside = object_in_the_dark(*size)
    ours, theirs = values_among(sr, hr, inside)
    error = (ours - theirs).astype(np.float64)
    expected = {
        PSNR: 10 * np.log10(1 / np.mean(error**2)),
        MAE: np.mean(abs(error)),
        RMSE: np.sqrt(np.mean(error**2)),
    }
    for metric, value in expected.items():
        found = Foreground(metric=metric())(sr, hr, scoring())
        assert found.item() == pytest.approx(value, rel=1e-5)


def test_hidden_pixels_do_not_count():
    sr, hr, inside = object_in_the_dark(40, 31)
    valid = torch.ones(1, 1, 40, 31, dtype=torch.bool)
    valid[..., :16] = False
    ours, theirs = values_among(sr, hr, inside & valid[0, 0].numpy())
    seen = torch.where(valid, hr, 1e9)
    found = Foreground(metric=MAE())(sr, seen, scoring(valid=valid))
    assert found.item() == pytest.approx(np.mean(abs(ours - theirs)), rel=1e-5)


@pytest.mark.parametrize("size", [(40, 31), (15, 17, 16)], ids=str)
def test_similarity_is_the_mean_of_skimages_map_over_the_object(size):
    """Only windows inside the image count, of 5 pixels around their middle."""
    sr, hr, inside = object_in_the_dark(*size)
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    images = sr[0, 0].double().numpy(), hr[0, 0].double().numpy()
    _, local = structural_similarity(*images, data_range=1.0, full=True, **settings)
    core = (slice(5, -5),) * len(size)
    found = Foreground(metric=SSIM())(sr, hr, scoring())
    assert found.item() == pytest.approx(local[core][inside[core]].mean(), abs=1e-5)


@pytest.mark.parametrize("image", [coins, cell])
def test_otsu_parts_real_images_as_skimage_does(image):
    """A pixel of another opinion would weigh 100 times as much: at most one in 100 is."""
    hr = torch.from_numpy(image()[None, None].astype(np.float32))
    shown = hr > threshold_otsu(image())
    found = Foreground(metric=MAE())(torch.where(shown, hr + 1, hr + 101), hr, scoring())
    assert found.item() == pytest.approx(1, abs=1)


def test_threshold_is_that_of_the_whole_file_where_it_was_measured():
    """A slice of air alone has no foreground, though its own noise could be parted."""
    volume = torch.cat([random(1, 1, 8, 32), 10 + random(1, 1, 8, 32)], dim=2)
    scene = Statistics.of(volume[0]).as_tensor()[None]
    air = volume[:, :, :8]
    metric = Foreground(metric=MAE())
    assert metric(air + 1, air, scoring()).item() == pytest.approx(1)
    assert metric(air + 1, air, scoring(scene=scene)).isnan().all()


def test_a_number_is_a_share_of_the_data_range():
    hr = torch.tensor([[[[0.0, 9.0, 11.0, 40.0]]]])
    sr = hr + torch.tensor([5.0, 5.0, 1.0, 3.0])
    found = Foreground(metric=MAE(), threshold=0.1)(sr, hr, scoring(data_range=100.0))
    assert found.item() == 2


def test_a_pixel_counts_that_is_bright_in_any_channel():
    hr = torch.zeros(1, 2, 1, 8)
    hr[0, 0, 0, :2], hr[0, 1, 0, 5:] = 1, 500
    sr = hr + torch.arange(8.0)
    found = Foreground(metric=MAE())(sr, hr, scoring())
    assert found.item() == pytest.approx(np.mean([0, 1, 5, 6, 7]))


def test_an_image_of_one_value_has_no_foreground():
    hr = torch.full((2, 1, 12, 12), 3.0)
    hr[1, :, :6] = 7
    for metric in (PSNR(), SSIM()):
        found = Foreground(metric=metric)(hr + 1, hr, scoring())
        assert found.isnan().tolist() == [True, False]


def test_what_has_no_value_inside_is_refused():
    with pytest.raises(ValueError, match="ERGAS has no value inside a foreground; PSNR, MAE"):
        Foreground(metric=ERGAS())
    for threshold in ("bright", 1.0, -0.1):
        message = f"threshold is {threshold!r}; give otsu, or a share of the data range"
        with pytest.raises(ValueError, match=re.escape(message)):
            Foreground(metric=PSNR(), threshold=threshold)
