import re
import warnings

import lpips
import pytest
import torch
from metric_checks import assert_hidden_image_is_nan_alone, random, scoring

from srlab.metrics.perceptual import LPIPS


@pytest.fixture(scope="module")
def metric():
    return LPIPS(net="squeeze", weights="random")


@pytest.fixture(scope="module")
def package(metric):
    """The lpips package's own distance of images in 0–1, with the metric's network."""
    with warnings.catch_warnings(action="ignore"):
        module = lpips.LPIPS(net="squeeze", pnet_rand=True, verbose=False)
    module.net.load_state_dict(metric.distance.lpips.net.state_dict())
    module.requires_grad_(False)
    return lambda sr, hr: module(2 * sr - 1, 2 * hr - 1).flatten()


def sharing(metric, **options):
    """The metric with other options and the same network."""
    other = LPIPS(net="squeeze", weights="random", **options)
    other.distance = metric.distance
    return other


def pair(*size):
    return random(*size), random(*size, seed=1)


def assert_near(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=0)


def test_matches_the_package_image_by_image(metric, package):
    sr, hr = pair(3, 3, 40, 33)
    expected = package(sr, hr)
    for data_range in (1.0, 10_000.0):
        found = metric(data_range * sr, data_range * hr, scoring(data_range=data_range))
        assert found.shape == (3,)
        assert_near(found, expected)
    assert not metric.higher_is_better


def test_value_range_can_be_given(metric, package):
    sr, hr = pair(2, 3, 32, 32)
    result = sharing(metric, low=-100, high=300)(400 * sr - 100, 400 * hr - 100, scoring())
    assert_near(result, package(sr, hr))
    message = "the value range is 2 to 1.0; set low below high."
    with pytest.raises(ValueError, match=re.escape(message)):
        sharing(metric, low=2)(sr, hr, scoring())


def test_bands_are_counted_from_one_and_lists_averaged(metric, package):
    sr, hr = pair(2, 4, 32, 32)
    first = package(sr[:, [2, 1, 0]], hr[:, [2, 1, 0]])
    second = package(sr[:, [3, 3, 3]], hr[:, [3, 3, 3]])
    assert_near(sharing(metric, channels=[3, 2, 1])(sr, hr, scoring()), first)
    both = sharing(metric, channels=[[3, 2, 1], [4]])(sr, hr, scoring())
    assert_near(both, (first + second) / 2)
    message = "the images have 4 channels and the feature network takes 3"
    with pytest.raises(ValueError, match=message):
        metric(sr, hr, scoring())


def test_volume_is_the_mean_over_slices_and_its_channel_is_repeated(metric, package):
    sr, hr = pair(2, 1, 2, 32, 32)
    slices = []
    for position in range(2):
        colours = (image[:, :, position].expand(-1, 3, -1, -1) for image in (sr, hr))
        slices.append(package(*colours))
    assert_near(metric(sr, hr, scoring()), torch.stack(slices).mean(dim=0))


def test_image_equals_itself(metric):
    hr = random(2, 3, 32, 32)
    assert metric(hr, hr.clone(), scoring()).tolist() == [0, 0]


def test_hidden_pixels_never_influence(metric):
    sr, hr = pair(2, 3, 32, 32)
    valid = torch.ones(2, 1, 32, 32, dtype=torch.bool)
    valid[..., 20:] = False
    plain = metric(sr, hr, scoring(valid=valid))
    for fill in (0.0, 1e6, torch.nan):
        filled = (torch.where(valid, image, fill) for image in (sr, hr))
        assert torch.equal(metric(*filled, scoring(valid=valid)), plain)


def test_clouds_do_not_flatter(metric):
    """The score of noise everywhere stays about the same if half of it is hidden."""
    sr, hr = pair(1, 3, 128, 128)
    valid = torch.ones(1, 1, 128, 128, dtype=torch.bool)
    valid[..., 64:] = False
    found = metric(sr, hr, scoring(valid=valid))
    torch.testing.assert_close(found, metric(sr, hr, scoring()), rtol=0.1, atol=0)


def test_image_without_valid_pixels_is_nan_alone(metric):
    assert_hidden_image_is_nan_alone(metric, 2, 3, 32, 32)
