import numpy as np
import pytest
import scipy.ndimage
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_checks import random, scoring
from skimage.data import astronaut, camera
from skimage.registration import phase_cross_correlation

from srlab.degradations import Bicubic
from srlab.metrics.consistency import (
    ReflectanceConsistency,
    SpatialConsistency,
    SpectralConsistency,
    phase_shift,
)

METRICS = [ReflectanceConsistency(), SpectralConsistency(), SpatialConsistency()]
every = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: type(metric).__name__)


def smooth(*size, seed=0):
    values = np.random.default_rng(seed).random(size)
    return torch.from_numpy(scipy.ndimage.gaussian_filter(values, 1, mode="wrap"))


def beside(lr, scale=(2, 2), **changed):
    """A context with LR, and bicubic degradation by the scale if no other is given."""
    degrade = Bicubic(scale=scale, spatial_dims=len(scale))
    return scoring(**{"lr": lr, "scale": scale, "degrade": degrade, **changed})


def undegraded(lr, **changed):
    return scoring(lr=lr, **changed)


def block_means(image, scale):
    for axis, factor in enumerate(scale, start=2):
        image = image.unflatten(axis, (-1, factor)).mean(axis + 1)
    return image


def moved(image, shift):
    """`image` displaced by a subpixel shift, periodically."""
    spectrum = scipy.ndimage.fourier_shift(np.fft.fftn(image.numpy()), shift)
    return torch.from_numpy(np.fft.ifftn(spectrum).real)


@pytest.mark.parametrize(("size", "scale"), [((8, 12), (2, 4)), ((4, 8, 8), (1, 4, 2))])
def test_reflectance_is_the_mean_difference_after_degradation(size, scale):
    sr = random(2, 3, *size, dtype=torch.float64)
    lr = block_means(random(*sr.shape, seed=1, dtype=torch.float64), scale)
    given = beside(lr, scale, degrade=lambda hr: block_means(hr, scale))
    expected = np.abs(block_means(sr, scale).numpy() - lr.numpy()).reshape(2, -1).mean(1)
    np.testing.assert_allclose(ReflectanceConsistency()(sr, sr, given), expected)


@pytest.mark.parametrize("size", [(4, 6), (2, 4, 4)])
def test_spectral_is_the_mean_angle_in_degrees(size):
    sr, lr = (random(2, 3, *size, seed=seed, dtype=torch.float64) for seed in (0, 1))
    result = SpectralConsistency()(sr, sr, undegraded(lr, scale=(1,) * len(size)))
    a, b = (image.flatten(2).numpy() for image in (sr, lr))
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    np.testing.assert_allclose(result, np.degrees(np.arccos(cosine)).mean(1))


@settings(max_examples=10, deadline=None)
@given(gain=st.floats(1e-3, 1e3), degrees=st.floats(0.001, 90))
def test_spectral_sees_angles_and_no_brightness(gain, degrees):
    angle = np.radians(degrees)
    lr = torch.tensor([1000.0, 0]).view(1, 2, 1, 1)
    sr = torch.tensor([np.cos(angle), np.sin(angle)]).float().view(1, 2, 1, 1)
    result = SpectralConsistency()(1000 * gain * sr, sr, undegraded(lr))
    assert result.item() == pytest.approx(degrees, rel=1e-4)


def test_zero_spectrum_counts_as_angle_zero():
    sr = torch.zeros(1, 2, 1, 2)
    sr[..., 1] = torch.tensor([1.0, 0]).view(1, 2, 1)
    result = SpectralConsistency()(sr, sr, undegraded(torch.ones(1, 2, 1, 2)))
    assert result.item() == pytest.approx(22.5)


def test_one_channel_has_no_angle():
    sr, lr = random(1, 1, 8, 8), random(1, 1, 4, 4)
    with pytest.raises(ValueError, match="needs two channels or more; got 1"):
        SpectralConsistency()(sr, sr, beside(lr))


@every
def test_consistent_image_scores_zero(metric):
    hr = 10_000 * smooth(2, 2, 32, 32).float()
    result = metric(hr, hr, beside(Bicubic(scale=2)(hr)))
    torch.testing.assert_close(result, torch.zeros(2), atol=0.02, rtol=0)


@every
def test_reference_is_not_looked_at(metric):
    sr, given = smooth(1, 2, 32, 32), beside(smooth(1, 2, 16, 16, seed=1))
    with_hr = metric(sr, smooth(1, 2, 32, 32, seed=2), given)
    torch.testing.assert_close(with_hr, metric(sr, sr + torch.nan, given))


@every
def test_hidden_pixels_never_influence(metric):
    sr, lr = smooth(2, 2, 64, 64), smooth(2, 2, 32, 32, seed=1)
    valid = torch.ones(2, 1, 64, 64, dtype=torch.bool)
    valid[:, :, 20:31, 7:40] = False
    results = []
    for value in (0.0, 1e4, torch.nan):
        under_hole = lr.clone()
        under_hole[:, :, 10:16, 3:20] = value
        given = beside(under_hole, valid=valid)
        results.append(metric(torch.where(valid, sr, value), sr, given))
    assert results[0].isfinite().all()
    for result in results[1:]:
        assert torch.equal(result, results[0])


def test_pixels_reached_by_hidden_ones_do_not_count():
    """Bicubic shrinking reaches two LR pixels to either side."""
    sr = torch.ones(1, 1, 1, 16)
    valid = torch.ones(1, 1, 1, 16, dtype=torch.bool)
    valid[..., 8] = False
    lr = torch.tensor([1.0, 1, 9, 9, 9, 9, 2, 2]).view(1, 1, 1, 8)
    result = ReflectanceConsistency()(sr, sr, beside(lr, (1, 2), valid=valid))
    assert result.item() == pytest.approx(0.5)


def test_degradation_that_swallows_nan_sees_no_hidden_value():
    valid = torch.ones(1, 1, 1, 8, dtype=torch.bool)
    valid[..., 3] = False
    lr, degrade = torch.zeros(1, 1, 1, 8), lambda hr: hr.nan_to_num().roll(1, 3)
    values = []
    for hidden in (5.0, 1e4, torch.nan):
        sr = torch.where(valid, 1.0, hidden)
        values.append(
            ReflectanceConsistency()(sr, sr, undegraded(lr, valid=valid, degrade=degrade))
        )
    assert values[0].equal(values[1])
    assert values[0].equal(values[2])


def test_kernel_without_reach_still_needs_whole_blocks():
    sr, valid = torch.ones(1, 1, 2, 4), torch.ones(1, 1, 2, 4, dtype=torch.bool)
    valid[..., 1, 3] = False
    lr = torch.tensor([[2.0, 50]]).view(1, 1, 1, 2)
    given = beside(lr, valid=valid, degrade=lambda hr: hr[..., ::2, ::2])
    assert ReflectanceConsistency()(sr, sr, given).item() == 1


@every
def test_fully_hidden_image_is_nan_and_leaves_the_others_alone(metric):
    sr, lr = smooth(2, 2, 32, 32), smooth(2, 2, 16, 16, seed=1)
    valid = torch.ones(2, 1, 32, 32, dtype=torch.bool)
    valid[1] = False
    result = metric(sr, sr + torch.nan, beside(lr, valid=valid))
    assert result[1].isnan()
    torch.testing.assert_close(result[:1], metric(sr[:1], sr[:1], beside(lr[:1])))


def test_other_channels_in_lr_are_an_error():
    for metric in METRICS:
        sr, lr = random(1, 2, 8, 8), random(1, 3, 4, 4)
        message = r"SR degrades to \(1, 2, 4, 4\) but LR is \(1, 3, 4, 4\)"
        with pytest.raises(ValueError, match=message):
            metric(sr, sr, beside(lr))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_phase_shift_finds_periodic_shifts(dtype):
    image = 10_000 * smooth(24, 41)
    for shift in ((0.3, -0.7), (-3.4, 0.05), (7.25, 12.6)):
        pair = (one.to(dtype)[None, None] for one in (moved(image, shift), image))
        np.testing.assert_allclose(phase_shift(*pair)[0], shift, atol=0.02)


def test_phase_shift_in_volumes_and_batches():
    shifts, images, turned = [(0.4, -1.3, 2.2), (-0.9, 0.0, 0.15)], [], []
    for seed, shift in enumerate(shifts):
        channels = [smooth(13, 16, 20, seed=seed + 2 * channel) for channel in range(2)]
        images.append(torch.stack(channels))
        turned.append(torch.stack([moved(channel, shift) for channel in channels]))
    found = phase_shift(torch.stack(turned), torch.stack(images))
    np.testing.assert_allclose(found, shifts, atol=0.02)


def test_phase_shift_matches_skimage():
    reference = torch.from_numpy(camera()[100:164, 100:196].astype(float))
    image = moved(reference, (1.37, -2.81))
    theirs = phase_cross_correlation(reference.numpy(), image.numpy(), upsample_factor=100)[0]
    found = phase_shift(image[None, None], reference[None, None])
    np.testing.assert_allclose(found[0], -theirs, atol=0.025)


@pytest.mark.parametrize(("upsampling", "expected"), [(1, 2.0), (4, 2.25), (1000, 2.27)])
def test_phase_shift_is_as_fine_as_asked(upsampling, expected):
    image = smooth(32, 32)
    turned = moved(image, (2.27, 0.0))
    found = phase_shift(turned[None, None], image[None, None], upsampling=upsampling)
    assert found[0].tolist() == pytest.approx([expected, 0], abs=0.005)


@pytest.mark.parametrize("shift", [(0.3, -0.7), (1.25, 2.6), (0.1, 0.2)])
def test_spatial_finds_shifts_of_what_lies_beyond_the_borders(shift):
    whole = camera().astype(float)
    images = (scipy.ndimage.shift(whole, shift, order=5), whole)
    for top, left in ((100, 100), (200, 250), (300, 60)):
        crop = slice(top, top + 128), slice(left, left + 128)
        sr, lr = (torch.from_numpy(image[crop].copy())[None, None] for image in images)
        result = SpatialConsistency()(sr, sr, undegraded(lr))
        assert result.item() == pytest.approx(np.hypot(*shift), abs=0.05)


def test_spatial_counts_lr_pixels():
    whole = torch.from_numpy(astronaut().astype("float32")).movedim(2, 0)[None]
    hr, sr = whole[..., 100:356, 100:356], whole[..., 98:354, 100:356]  # half an LR pixel
    result = SpatialConsistency()(sr, hr, beside(Bicubic(scale=4)(hr), (4, 4)))
    assert result.item() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("value", [0.0, 0.1, 5000.0])
def test_constant_images_have_no_shift(value):
    sr, lr = torch.full((1, 2, 32, 32), value), smooth(1, 2, 16, 16).float()
    assert SpatialConsistency()(sr, sr, beside(lr)).isnan().all()
    assert phase_shift(sr, sr).isnan().all()


def test_upsampling_must_be_positive():
    with pytest.raises(ValueError, match="upsampling is 0; give 1 for whole pixels"):
        SpatialConsistency(upsampling=0)
