import re

import numpy as np
import pytest
import torch
from metric_checks import scoring
from skimage.color import rgb2ycbcr
from skimage.io import imread

from srlab.degradations import Bicubic
from srlab.metrics.benchmark import Benchmark
from srlab.metrics.pixel import PSNR
from srlab.metrics.similarity import SSIM
from srlab.nn.resample import enlarge, shrink


class Seen:
    """A metric that keeps its images and context."""

    higher_is_better = False

    def __call__(self, sr, hr, context):
        self.sr, self.hr, self.context = sr, hr, context
        return {"": torch.zeros(len(sr)), "more": torch.ones(len(sr))}


def eight_bits(**changed):
    return scoring(**{"scale": (2, 2), "data_range": 255.0, **changed})


def photograph(*size, seed=0):
    return torch.randint(0, 256, size, generator=torch.Generator().manual_seed(seed)).float()


@pytest.mark.parametrize("round_luma", [False, True])
def test_luma_is_that_of_skimage(round_luma):
    sr, hr, seen = photograph(2, 3, 9, 8), photograph(2, 3, 9, 8, seed=1), Seen()
    Benchmark(metric=seen, border=0, round_luma=round_luma)(sr, hr, eight_bits())
    for image, luma in ((sr, seen.sr), (hr, seen.hr)):
        expected = rgb2ycbcr(image.numpy().astype(np.uint8), channel_axis=1)[:, :1]
        if round_luma:
            expected = expected.round()
        np.testing.assert_allclose(luma, expected, atol=1e-4, rtol=0)


def test_sr_is_rounded_to_8_bits_and_hr_is_taken_as_it_is():
    seen, hr = Seen(), torch.full((1, 1, 1, 6), 7.0)
    sr = torch.tensor([[[[-3.0, 0.4, 0.5, 1.5, 254.6, 300]]]])
    Benchmark(metric=seen, border=0)(sr, hr, eight_bits())
    assert seen.sr.flatten().tolist() == [0, 0, 1, 2, 255, 255]
    assert torch.equal(seen.hr, hr)


def test_border_is_left_out_on_every_side():
    cases = [
        (None, (3, 2), (3, 2)),
        (None, (1, 4, 4), (0, 4, 4)),
        (1, (4, 4), (1, 1)),
        ([2, 1], (4, 4), (2, 1)),
        (0, (4, 4), (0, 0)),
    ]
    for border, scale, rims in cases:
        size = tuple(range(10, 10 + len(scale)))
        sr, hr, seen = photograph(1, 1, *size), photograph(1, 1, *size, seed=1), Seen()
        valid = photograph(1, 1, *size, seed=2) < 200
        inside = (..., *(slice(rim, n - rim) for n, rim in zip(size, rims, strict=True)))
        Benchmark(metric=seen, border=border)(sr, hr, eight_bits(scale=scale, valid=valid))
        assert torch.equal(seen.sr, sr[inside])
        assert torch.equal(seen.hr, hr[inside])
        assert torch.equal(seen.context.valid, valid[inside])
        assert seen.context.channel_names == ("Y",)


def test_direction_and_names_are_those_of_the_metric():
    hr = photograph(1, 3, 8, 8)
    assert Benchmark(metric=PSNR()).higher_is_better
    assert not Benchmark(metric=Seen()).higher_is_better
    assert set(Benchmark(metric=Seen())(hr, hr, eight_bits())) == {"", "more"}


def test_refuses_all_but_8_bit_photographs():
    for channels, data_range in [(3, 1.0), (4, 255.0), (1, 10_000.0)]:
        hr = photograph(1, channels, 8, 8)
        message = (
            "the benchmarks' protocol is for 8-bit images of 1 or 3 channels (red, green, blue), "
            f"of data range 255; got {channels} channels of data range {data_range:g}. Use the "
            "metric without it."
        )
        with pytest.raises(ValueError, match=re.escape(message)):
            Benchmark(metric=PSNR())(hr, hr, eight_bits(data_range=data_range))


def test_refuses_a_border_that_leaves_nothing():
    hr = photograph(1, 1, 9, 8)
    message = "nothing of an image of (9, 8) is left inside a border of (4, 4); set a smaller one."
    with pytest.raises(ValueError, match=re.escape(message)):
        Benchmark(metric=PSNR())(hr, hr, eight_bits(scale=(4, 4)))


def set5(folder, scale):
    """The photographs ``(1, 3, H, W)``, cut to multiples of the scale."""
    for path in sorted((folder / "HR").glob("*.png")):
        image = torch.from_numpy(np.array(imread(path))).permute(2, 0, 1)[None].float()
        yield image[..., : image.shape[2] // scale * scale, : image.shape[3] // scale * scale]


def mean_scores(pairs, scale):
    """The mean PSNR and SSIM of pairs of SR and HR."""
    psnr, ssim = Benchmark(metric=PSNR()), Benchmark(metric=SSIM())
    given = eight_bits(scale=(scale, scale))
    found = [(float(psnr(sr, hr, given)), float(ssim(sr, hr, given))) for sr, hr in pairs]
    return np.mean(found, axis=0)


PUBLISHED = {3: (30.39, 0.8682), 4: (28.42, 0.8104)}
"""Bicubic interpolation of Set5, as in every table since Kim et al. 2016 (VDSR, Table 3)."""


@pytest.mark.parametrize("scale", PUBLISHED)
def test_set5_bicubic_as_published(scale, shared_data):
    """The tables interpolate Y, shrunk from 8 bits without rounding.

    Models take LR in colour and 8 bits, which is worth up to 0.02 dB.
    """
    degrade = Bicubic(scale=scale, integers=[0, 255])
    in_luma, in_colour = [], []
    for hr in set5(shared_data("rgb/set5"), scale):
        pixels = hr[0].numpy().astype(np.uint8)
        luma = torch.from_numpy(rgb2ycbcr(pixels, channel_axis=0)[:1]).round().float()[None]
        in_luma.append((enlarge(shrink(luma, scale), scale), luma))
        in_colour.append((enlarge(degrade(hr), scale), hr))
    psnr, ssim = mean_scores(in_luma, scale)
    assert psnr == pytest.approx(PUBLISHED[scale][0], abs=0.006)
    assert ssim == pytest.approx(PUBLISHED[scale][1], abs=0.0001)
    psnr, ssim = mean_scores(in_colour, scale)
    assert psnr == pytest.approx(PUBLISHED[scale][0], abs=0.02)
    assert ssim == pytest.approx(PUBLISHED[scale][1], abs=0.001)
