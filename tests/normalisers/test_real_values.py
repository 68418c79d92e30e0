"""Every normaliser on a Sentinel-2 scene, or on values like its own where that is missing."""

import re

import numpy as np
import pytest
import torch
from skimage.data import astronaut, coffee
from skimage.exposure import match_histograms

from srlab.io import open_reader
from srlab.mistakes import Mistake
from srlab.normalisers import (
    Arcsinh,
    Custom,
    HistogramMatching,
    Identity,
    Log,
    MinMax,
    Paired,
    Percentile,
    Reflectance,
    Statistics,
    ZScore,
)
from srlab.normalisers.matching import matched
from srlab.normalisers.statistics import DEVIATION, LEVELS, MAXIMUM, MEAN, MINIMUM, QUANTILES

BANDS = 4
SCENE = "satellite/s2_ftw_8band_10m_uint16_utm33.tif"


@pytest.fixture(scope="module", params=["generated", "real"])
def scenes(request):
    """HR ``(C, H, W)`` of one date, and LR of another date, without data in a corner."""
    if request.param == "real":
        path = request.getfixturevalue("shared_data")(SCENE)
        every = open_reader(path).read((slice(0, 379), slice(0, 578)))
        hr, lr = every[:BANDS].copy(), every[BANDS:].copy()
    else:
        random = np.random.default_rng(0)
        hr, lr = random.gamma(3, 400, (2, BANDS, 200, 210)).astype(np.float32)
        lr = lr**0.9 + 300
    hr[:, :20, :30] = np.nan
    return hr, lr


KINDS = {
    "identity": Identity(),
    "minmax": MinMax(minimum=0, maximum=10_000),
    "reflectance": Reflectance(quantification=10_000, offset=-1000),
    "arcsinh": Arcsinh(softening=500, maximum=10_000),
    "log": Log(softening=500, maximum=10_000),
    "custom": Custom(forward="torch.sqrt", inverse="torch.square"),
    "zscore": ZScore(channels=BANDS),
    "zscore over all": ZScore(channels=BANDS, per_channel=False),
    "zscore of a scene": ZScore(channels=BANDS, scope="scene"),
    "percentile": Percentile(channels=BANDS),
    "percentile of a scene": Percentile(channels=BANDS, per_channel=False, scope="scene"),
    "histogram": HistogramMatching(channels=BANDS, mapping=ZScore(channels=BANDS)),
    "paired": Paired(of_lr=ZScore(channels=BANDS), of_hr=Log(softening=9, maximum=10_000)),
}


def fitted(normaliser, hr, lr):
    if normaliser.scope == "training":
        normaliser.fit(hr=lambda: Statistics.of(hr), lr=lambda: Statistics.of(lr))
    return normaliser


def test_inverse_undoes_the_way_there(scenes):
    for name in KINDS:
        hr, lr = scenes
        normaliser = fitted(KINDS[name], hr, lr)
        image, scene = torch.from_numpy(hr)[None], Statistics.of(hr).as_tensor()[None]
        again = normaliser.inverse(normaliser.hr(image, scene), scene)
        error = (again - image)[~image.isnan()].abs().max()
        assert error <= 1e-5 * np.nanmax(hr)
        assert torch.equal(again.isnan(), image.isnan())


@pytest.mark.parametrize("per_channel", [True, False])
def test_each_fitted_value_equals_numpys(per_channel, scenes):
    hr, lr = scenes
    table = fitted(ZScore(channels=BANDS, per_channel=per_channel), hr, lr).statistics
    groups = hr.reshape(BANDS if per_channel else 1, -1).astype(float)
    for row, function in (
        (MINIMUM, np.nanmin),
        (MAXIMUM, np.nanmax),
        (MEAN, np.nanmean),
        (DEVIATION, np.nanstd),
    ):
        np.testing.assert_allclose(table[row], function(groups, axis=1), rtol=1e-6)
    percentile = Percentile(channels=BANDS, per_channel=per_channel, low=2, high=98)
    shown = fitted(percentile, hr, lr).inverse(torch.tensor([0.0, 1.0]).expand(1, BANDS, 1, 2))
    found = shown[0, : len(groups), 0].T
    limit = 1e-3 * np.ptp(groups[np.isfinite(groups)])
    np.testing.assert_allclose(found, np.nanpercentile(groups, [2, 98], axis=1), atol=limit)


def test_matching_equals_skimages(scenes):
    """Where the levels of the statistics are dense, to a thousandth of the values' range."""
    hr, lr = scenes
    target, source = (Statistics.of(image).as_tensor()[QUANTILES, :-1] for image in (hr, lr))
    found = matched(torch.from_numpy(lr)[None], source=source, target=target)[0].numpy()
    for own, wanted, levels, image in zip(found, hr, target.T, lr, strict=True):
        expected = match_histograms(image, wanted[np.isfinite(wanted)][None])
        # between two neighbouring levels of the target, or between the ones next to these
        after = np.searchsorted(levels.numpy(), expected)
        low, high = np.clip([after - 2, after + 1], 0, len(levels) - 1)
        step = 1e-3 * np.ptp(levels.numpy())
        assert (own >= levels.numpy()[low] - step).all()
        assert (own <= levels.numpy()[high] + step).all()
        assert np.abs(own - expected).mean() < step


def test_a_background_is_matched_as_skimage_does():
    """A sixth of this picture is black: one value that is many percentiles."""
    dark, bright = (np.moveaxis(each, -1, 0).astype(np.float32) for each in (astronaut(), coffee()))
    target, source = (Statistics.of(image).as_tensor()[QUANTILES, :-1] for image in (bright, dark))
    found = matched(torch.from_numpy(dark)[None], source=source, target=target)[0].numpy()
    for own, wanted, image in zip(found, bright, dark, strict=True):
        assert np.abs(own - match_histograms(image, wanted)).max() < 0.05 * 255


def test_matched_lr_has_hrs_distribution(scenes):
    hr, lr = scenes
    normaliser = HistogramMatching(channels=BANDS, mapping=Identity())
    seen = fitted(normaliser, hr, lr).lr(torch.from_numpy(lr)[None])[0].numpy()
    for level in (1, 10, 50, 90, 99):
        wanted = np.nanpercentile(hr, level, axis=(1, 2))
        limit = 2e-3 * (np.nanmax(hr) - np.nanmin(hr))
        np.testing.assert_allclose(np.percentile(seen, level, axis=(1, 2)), wanted, atol=limit)


def test_matching_is_linear_beyond_the_range_and_knows_volumes():
    ends = [[0.0, 1.0, 4.0], [10.0, 30.0, 50.0]]
    source, target = (
        torch.from_numpy(np.interp(LEVELS, [0, 50, 100], each)).float()[:, None] for each in ends
    )
    values = torch.tensor([-2.0, 0.0, 0.5, 1.0, 2.5, 4.0, 6.0])
    wanted = torch.tensor([-10.0, 10.0, 20.0, 30.0, 40.0, 50.0, 70.0])
    image, expected = values.view(1, 1, 7, 1, 1), wanted.view(1, 1, 7, 1, 1)
    for channels in (1, 2):
        found = matched(image.expand(2, channels, -1, 2, 1), source=source, target=target)
        torch.testing.assert_close(found, expected.expand(2, channels, -1, 2, 1))


def test_mistakes_say_what_to_choose():
    cases = [
        (
            lambda: Paired(of_lr=ZScore(channels=1), of_hr=ZScore(channels=1, scope="scene")),
            "of_lr has the scope training and of_hr scene; give both the same scope",
        ),
        (
            lambda: HistogramMatching(channels=1, mapping=ZScore(channels=1, scope="scene")),
            "mapping measures each scene, and the histogram is that of the training split",
        ),
        (lambda: Custom(forward="sqrt", inverse="torch.square"), "forward is 'sqrt', which cannot"),
        (lambda: Custom(forward="math.pi", inverse="torch.square"), "which is not a function"),
    ]
    for build, message in cases:
        with pytest.raises(Mistake, match=re.escape(message)):
            build()
