import re
import warnings

import lpips
import pytest
import torch

from srlab.metrics import View
from srlab.metrics.perceptual import LPIPS


@pytest.fixture(scope="module")
def metric():
    return LPIPS(net="squeeze", weights="random")


@pytest.fixture(scope="module")
def package(metric):
    """The lpips package's own distance, with the metric's network."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = lpips.LPIPS(net="squeeze", pnet_rand=True, verbose=False)
    module.net.load_state_dict(metric.distance.lpips.net.state_dict())
    return module


def random(*size, seed=0):
    return torch.rand(size, generator=torch.Generator().manual_seed(seed))


def view(hr, *, valid=None, data_range=1.0):
    return View(
        lr=hr, valid=valid, scale=(4,) * (hr.ndim - 2), data_range=data_range, channels=(), pixel_size=None,
        degrade=lambda image: image,
    )  # fmt: skip


def sharing(metric, **options):
    """The metric with other options and the same network."""
    other = LPIPS(net="squeeze", weights="random", **options)
    other.distance = metric.distance
    return other


@torch.no_grad()
def of_package(package, sr, hr):
    return package(2 * sr - 1, 2 * hr - 1).flatten()


@pytest.mark.parametrize("data_range", [1.0, 10_000.0])
def test_matches_the_package_image_by_image(metric, package, data_range):
    sr, hr = random(3, 3, 40, 33), random(3, 3, 40, 33, seed=1)
    result = metric(data_range * sr, data_range * hr, view(hr, data_range=data_range))
    assert result.shape == (3,)
    torch.testing.assert_close(result, of_package(package, sr, hr), rtol=1e-3, atol=0)
    assert not metric.higher_is_better


def test_value_range_can_be_given(metric, package):
    sr, hr = random(2, 3, 32, 32), random(2, 3, 32, 32, seed=1)
    result = sharing(metric, low=-100, high=300)(400 * sr - 100, 400 * hr - 100, view(hr))
    torch.testing.assert_close(result, of_package(package, sr, hr), rtol=1e-3, atol=0)
    with pytest.raises(
        ValueError,
        match=re.escape("the value range is 2 to 1.0; set the metric's low below its high."),
    ):
        sharing(metric, low=2)(sr, hr, view(hr))


def test_bands_are_counted_from_one_and_lists_averaged(metric, package):
    sr, hr = random(2, 4, 32, 32), random(2, 4, 32, 32, seed=1)
    chosen = [
        of_package(package, sr[:, list(bands)], hr[:, list(bands)])
        for bands in ((2, 1, 0), (3, 3, 3))
    ]
    torch.testing.assert_close(
        sharing(metric, channels=[3, 2, 1])(sr, hr, view(hr)), chosen[0], rtol=1e-3, atol=0
    )
    both = sharing(metric, channels=[[3, 2, 1], [4]])(sr, hr, view(hr))
    torch.testing.assert_close(both, (chosen[0] + chosen[1]) / 2, rtol=1e-3, atol=0)
    with pytest.raises(
        ValueError, match="the images have 4 channels and the feature network takes 3"
    ):
        metric(sr, hr, view(hr))


def test_single_channel_is_repeated(metric, package):
    sr, hr = random(2, 1, 32, 32), random(2, 1, 32, 32, seed=1)
    expected = of_package(package, sr.expand(-1, 3, -1, -1), hr.expand(-1, 3, -1, -1))
    torch.testing.assert_close(metric(sr, hr, view(hr)), expected, rtol=1e-3, atol=0)


def test_volume_is_the_mean_over_slices(metric, package):
    sr, hr = random(2, 1, 3, 32, 32), random(2, 1, 3, 32, 32, seed=1)
    slices = [
        of_package(package, *(x[:, :, at].expand(-1, 3, -1, -1) for x in (sr, hr)))
        for at in range(3)
    ]
    torch.testing.assert_close(
        metric(sr, hr, view(hr)), torch.stack(slices).mean(dim=0), rtol=1e-3, atol=0
    )


def test_image_equals_itself(metric):
    hr = random(2, 3, 32, 32)
    assert metric(hr, hr.clone(), view(hr)).tolist() == [0, 0]


@pytest.mark.parametrize("fill", [0.0, 1e6, torch.nan])
def test_hidden_pixels_never_influence(metric, fill):
    sr, hr = random(2, 3, 48, 48), random(2, 3, 48, 48, seed=1)
    valid = torch.ones(2, 1, 48, 48, dtype=torch.bool)
    valid[..., 20:] = False
    plain = metric(sr, hr, view(hr, valid=valid))
    filled = (torch.where(valid, image, fill) for image in (sr, hr))
    torch.testing.assert_close(metric(*filled, view(hr, valid=valid)), plain, rtol=0, atol=0)


def test_clouds_do_not_flatter(metric):
    """The score of noise everywhere stays about the same if half of it is hidden."""
    sr, hr = random(1, 3, 128, 128), random(1, 3, 128, 128, seed=1)
    valid = torch.ones(1, 1, 128, 128, dtype=torch.bool)
    valid[..., 64:] = False
    torch.testing.assert_close(
        metric(sr, hr, view(hr, valid=valid)), metric(sr, hr, view(hr)), rtol=0.1, atol=0
    )


def test_image_without_valid_pixels_is_nan_alone(metric):
    sr, hr = random(2, 3, 32, 32), random(2, 3, 32, 32, seed=1)
    valid = torch.ones(2, 1, 32, 32, dtype=torch.bool)
    valid[1] = False
    assert metric(
        sr, torch.where(valid, hr, torch.nan), view(hr, valid=valid)
    ).isnan().tolist() == [False, True]
