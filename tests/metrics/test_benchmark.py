import re

import numpy as np
import pytest
import torch
from skimage.color import rgb2ycbcr
from skimage.io import imread

from srlab.degradations import Bicubic
from srlab.metrics import View
from srlab.metrics.benchmark import Benchmark
from srlab.metrics.pixel import PSNR
from srlab.metrics.similarity import SSIM
from srlab.nn.resample import enlarge, shrink


class Seen:
    """A metric that keeps what it is given."""

    higher_is_better = False

    def __call__(self, sr, hr, view):
        self.sr, self.hr, self.view = sr, hr, view
        return {"": torch.zeros(len(sr)), "more": torch.ones(len(sr))}


def view(hr, *, scale=(2, 2), valid=None, data_range=255.0):
    return View(
        lr=hr, valid=valid, scale=scale, data_range=data_range, channels=("r", "g", "b"), pixel_size=None,
        degrade=lambda image: image,
    )  # fmt: skip


def photograph(*size, seed=0):
    return torch.randint(0, 256, size, generator=torch.Generator().manual_seed(seed)).float()


@pytest.mark.parametrize("round_luma", [False, True])
def test_luma_is_that_of_skimage(round_luma):
    sr, hr, seen = photograph(2, 3, 9, 8), photograph(2, 3, 9, 8, seed=1), Seen()
    Benchmark(metric=seen, border=0, round_luma=round_luma)(sr, hr, view(hr))
    for image, luma in ((sr, seen.sr), (hr, seen.hr)):
        expected = torch.from_numpy(
            rgb2ycbcr(image.numpy().astype(np.uint8), channel_axis=1)[:, :1]
        ).float()
        torch.testing.assert_close(
            luma, expected.round() if round_luma else expected, atol=1e-4, rtol=0
        )


def test_sr_is_rounded_to_8_bits_and_hr_is_taken_as_it_is():
    seen, hr = Seen(), torch.full((1, 1, 1, 6), 7.0)
    Benchmark(metric=seen, border=0)(
        torch.tensor([[[[-3.0, 0.4, 0.5, 1.5, 254.6, 300]]]]), hr, view(hr)
    )
    assert seen.sr.flatten().tolist() == [0, 0, 1, 2, 255, 255]
    assert torch.equal(seen.hr, hr)


@pytest.mark.parametrize(
    ("border", "scale", "rims"),
    [
        (None, (3, 2), (3, 2)),
        (None, (1, 4, 4), (0, 4, 4)),
        (1, (4, 4), (1, 1)),
        ([2, 1], (4, 4), (2, 1)),
        (0, (4, 4), (0, 0)),
    ],
)
def test_border_is_left_out_on_every_side(border, scale, rims):
    size = tuple(range(10, 10 + len(scale)))
    sr, hr, seen = photograph(1, 1, *size), photograph(1, 1, *size, seed=1), Seen()
    valid = photograph(1, 1, *size, seed=2) < 200
    inside = (..., *(slice(rim, n - rim) for n, rim in zip(size, rims, strict=True)))
    Benchmark(metric=seen, border=border)(sr, hr, view(hr, scale=scale, valid=valid))
    assert torch.equal(seen.sr, sr[inside])
    assert torch.equal(seen.hr, hr[inside])
    assert torch.equal(seen.view.valid, valid[inside])
    assert seen.view.channels == ("Y",)


def test_direction_and_names_are_those_of_the_metric():
    hr = photograph(1, 3, 8, 8)
    assert [Benchmark(metric=metric).higher_is_better for metric in (PSNR(), Seen())] == [
        True,
        False,
    ]
    assert set(Benchmark(metric=Seen())(hr, hr, view(hr))) == {"", "more"}


@pytest.mark.parametrize(
    ("channels", "data_range"), [(3, 1.0), (4, 255.0), (2, 255.0), (1, 10_000.0)]
)
def test_refuses_all_but_8_bit_photographs(channels, data_range):
    hr = photograph(1, channels, 8, 8)
    message = (
        "the benchmarks' protocol is for 8-bit images of 1 or 3 channels (red, green, blue), of data range 255; got "
        f"{channels} channels of data range {data_range:g}. Use the metric without it."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        Benchmark(metric=PSNR())(hr, hr, view(hr, data_range=data_range))


def test_refuses_a_border_that_leaves_nothing():
    hr = photograph(1, 1, 9, 8)
    message = "nothing of an image of (9, 8) is left inside a border of (4, 4); set a smaller one."
    with pytest.raises(ValueError, match=re.escape(message)):
        Benchmark(metric=PSNR())(hr, hr, view(hr, scale=(4, 4)))


def set5(folder, scale):
    """The photographs ``(1, 3, H, W)``, cut to multiples of the scale."""
    for path in sorted((folder / "HR").glob("*.png")):
        image = torch.from_numpy(np.array(imread(path))).permute(2, 0, 1)[None].float()
        yield image[..., : image.shape[2] // scale * scale, : image.shape[3] // scale * scale]


def mean_scores(pairs, scale):
    metrics = [Benchmark(metric=PSNR()), Benchmark(metric=SSIM())]
    found = [
        [float(metric(sr, hr, view(hr, scale=(scale, scale)))) for metric in metrics]
        for sr, hr in pairs
    ]
    return np.mean(found, axis=0)


PUBLISHED = {2: (33.66, 0.9299), 3: (30.39, 0.8682), 4: (28.42, 0.8104)}
"""Bicubic interpolation of Set5, as in every table since Kim et al. 2016 (VDSR, Table 3)."""


@pytest.mark.parametrize("scale", PUBLISHED)
def test_set5_bicubic_as_published(scale, shared_data):
    """The tables interpolate Y, shrunk from 8 bits without rounding."""

    def pair(hr):
        luma = (
            torch.from_numpy(rgb2ycbcr(hr[0].numpy().astype(np.uint8), channel_axis=0)[:1])
            .round()
            .float()[None]
        )
        return enlarge(shrink(luma, scale), scale), luma

    psnr, ssim = mean_scores((pair(hr) for hr in set5(shared_data("rgb/set5"), scale)), scale)
    assert psnr == pytest.approx(PUBLISHED[scale][0], abs=0.006)
    assert ssim == pytest.approx(PUBLISHED[scale][1], abs=0.0001)


@pytest.mark.parametrize("scale", PUBLISHED)
def test_set5_bicubic_in_colour_is_near_the_published(scale, shared_data):
    """Models take LR in colour and 8 bits, which is worth up to 0.02 dB."""
    degrade = Bicubic(scale=scale, integers=[0, 255])
    pairs = ((enlarge(degrade(hr), scale), hr) for hr in set5(shared_data("rgb/set5"), scale))
    psnr, ssim = mean_scores(pairs, scale)
    assert psnr == pytest.approx(PUBLISHED[scale][0], abs=0.02)
    assert ssim == pytest.approx(PUBLISHED[scale][1], abs=0.001)
