import numpy as np
import pytest
import scipy.ndimage
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.data import astronaut, camera
from skimage.registration import phase_cross_correlation

from srlab.degradations import Bicubic
from srlab.metrics.consistency import (
    ReflectanceConsistency,
    SpatialConsistency,
    SpectralConsistency,
    phase_shift,
)
from srlab.metrics.protocol import View

METRICS = [ReflectanceConsistency(), SpectralConsistency(), SpatialConsistency()]
every = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: type(metric).__name__)


def random(*size, seed=0):
    return torch.rand(size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def smooth(*size, seed=0):
    return torch.from_numpy(
        scipy.ndimage.gaussian_filter(np.random.default_rng(seed).random(size), 1, mode="wrap")
    )


def view(lr, scale, valid=None, degrade=None):
    degrade = degrade or Bicubic(scale=scale, spatial_dims=len(scale))
    return View(
        lr=lr,
        valid=valid,
        scale=scale,
        data_range=1.0,
        channels=(),
        pixel_size=None,
        degrade=degrade,
    )


def block_means(image, scale):
    for axis, factor in enumerate(scale, start=2):
        image = image.unflatten(axis, (-1, factor)).mean(axis + 1)
    return image


def moved(image, shift):
    """`image` displaced by a subpixel shift, periodically."""
    return torch.from_numpy(
        np.fft.ifftn(scipy.ndimage.fourier_shift(np.fft.fftn(image.numpy()), shift)).real
    )


@pytest.mark.parametrize(("size", "scale"), [((8, 12), (2, 4)), ((4, 8, 8), (1, 4, 2))])
def test_reflectance_is_the_mean_difference_after_degradation(size, scale):
    sr, lr = (
        random(2, 3, *size),
        random(2, 3, *(n // s for n, s in zip(size, scale, strict=True)), seed=1),
    )
    result = ReflectanceConsistency()(
        sr, sr, view(lr, scale, degrade=lambda hr: block_means(hr, scale))
    )
    expected = np.abs(block_means(sr, scale).numpy() - lr.numpy()).reshape(2, -1).mean(1)
    np.testing.assert_allclose(result, expected)


@pytest.mark.parametrize("size", [(4, 6), (2, 4, 4)])
def test_spectral_is_the_mean_angle_in_degrees(size):
    sr, lr = random(2, 3, *size), random(2, 3, *size, seed=1)
    result = SpectralConsistency()(sr, sr, view(lr, (1,) * len(size), degrade=lambda hr: hr))
    a, b = (image.flatten(2).numpy() for image in (sr, lr))
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    np.testing.assert_allclose(result, np.degrees(np.arccos(cosine)).mean(1))


@settings(max_examples=25, deadline=None)
@given(gain=st.floats(1e-3, 1e3), degrees=st.floats(0.001, 90))
def test_spectral_sees_angles_and_no_brightness(gain, degrees):
    angle = np.radians(degrees)
    lr = torch.tensor([1000.0, 0]).view(1, 2, 1, 1).expand(1, 2, 4, 4)
    sr = (
        gain
        * 1000
        * torch.tensor([np.cos(angle), np.sin(angle)], dtype=torch.float32)
        .view(1, 2, 1, 1)
        .expand_as(lr)
    )
    result = SpectralConsistency()(sr, sr, view(lr, (1, 1), degrade=lambda hr: hr))
    assert result.item() == pytest.approx(degrees, rel=1e-4)


def test_zero_spectrum_counts_as_angle_zero():
    sr = torch.zeros(1, 2, 1, 2)
    sr[..., 1] = torch.tensor([1.0, 0]).view(1, 2, 1)
    lr = torch.ones(1, 2, 1, 2)
    result = SpectralConsistency()(sr, sr, view(lr, (1, 1), degrade=lambda hr: hr))
    assert result.item() == pytest.approx(22.5)


def test_one_channel_has_no_angle():
    with pytest.raises(ValueError, match="needs at least two channels; got one"):
        SpectralConsistency()(
            random(1, 1, 8, 8), random(1, 1, 8, 8), view(random(1, 1, 4, 4), (2, 2))
        )


@every
def test_consistent_image_scores_zero(metric):
    hr = 10_000 * smooth(2, 2, 32, 32).float()
    result = metric(hr, hr, view(Bicubic(scale=2)(hr), (2, 2)))
    torch.testing.assert_close(result, torch.zeros(2), atol=0.02, rtol=0)


@every
def test_reference_is_not_looked_at(metric):
    sr, lr = smooth(1, 2, 32, 32), smooth(1, 2, 16, 16, seed=1)
    with_hr, without = (
        metric(sr, hr, view(lr, (2, 2))) for hr in (smooth(1, 2, 32, 32, seed=2), sr + torch.nan)
    )
    torch.testing.assert_close(with_hr, without)


@every
def test_hidden_pixels_never_influence(metric):
    sr, lr = smooth(2, 2, 64, 64), smooth(2, 2, 32, 32, seed=1)
    valid = torch.ones(2, 1, 64, 64, dtype=torch.bool)
    valid[:, :, 20:31, 7:40] = False
    results = []
    for value in (0.0, 1e4, torch.nan):
        # what lies under the hole in LR: the blocks that it touches
        dark = lr.clone()
        dark[:, :, 10:16, 3:20] = value
        results.append(metric(torch.where(valid, sr, value), sr, view(dark, (2, 2), valid)))
    torch.testing.assert_close(results[0], results[1], rtol=0, atol=0)
    torch.testing.assert_close(results[0], results[2], rtol=0, atol=0)
    assert results[0].isfinite().all()


def test_pixels_reached_by_hidden_ones_do_not_count():
    sr = torch.ones(1, 1, 1, 16)
    valid = torch.ones(1, 1, 1, 16, dtype=torch.bool)
    valid[..., 8] = False
    lr = torch.tensor([1.0, 1, 9, 9, 9, 9, 2, 2]).view(
        1, 1, 1, 8
    )  # bicubic reaches two LR pixels to either side
    assert ReflectanceConsistency()(sr, sr, view(lr, (1, 2), valid)).item() == pytest.approx(0.5)


def test_degradation_that_swallows_nan_sees_no_hidden_value():
    valid = torch.ones(1, 1, 1, 8, dtype=torch.bool)
    valid[..., 3] = False
    lr = view(torch.zeros(1, 1, 1, 8), (1, 1), valid, degrade=lambda hr: hr.nan_to_num().roll(1, 3))
    values = [
        ReflectanceConsistency()(torch.where(valid, 1.0, hidden), valid, lr)
        for hidden in (5.0, 1e4, torch.nan)
    ]
    assert values[0].equal(values[1])
    assert values[0].equal(values[2])


def test_kernel_without_reach_still_needs_whole_blocks():
    sr, valid = torch.ones(1, 1, 2, 4), torch.ones(1, 1, 2, 4, dtype=torch.bool)
    valid[..., 1, 3] = False
    first = view(
        torch.tensor([[2.0, 50]]).view(1, 1, 1, 2),
        (2, 2),
        valid,
        degrade=lambda hr: hr[..., ::2, ::2],
    )
    assert ReflectanceConsistency()(sr, sr, first).item() == 1


@every
def test_fully_hidden_image_is_nan_and_leaves_the_others_alone(metric):
    sr, lr = smooth(2, 2, 32, 32), smooth(2, 2, 16, 16, seed=1)
    valid = torch.ones(2, 1, 32, 32, dtype=torch.bool)
    valid[1] = False
    result = metric(sr, sr + torch.nan, view(lr, (2, 2), valid))
    assert result[1].isnan()
    torch.testing.assert_close(result[:1], metric(sr[:1], sr[:1], view(lr[:1], (2, 2))))


@every
def test_other_channels_in_lr_are_an_error(metric):
    with pytest.raises(ValueError, match=r"SR degrades to \(1, 2, 4, 4\) but LR is \(1, 3, 4, 4\)"):
        metric(random(1, 2, 8, 8), random(1, 2, 8, 8), view(random(1, 3, 4, 4), (2, 2)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shift", [(0.3, -0.7), (-3.4, 0.05), (7.25, 12.6)])
def test_phase_shift_finds_periodic_shifts(shift, dtype):
    image = smooth(24, 41)
    found = phase_shift(
        *(10_000 * one.to(dtype)[None, None] for one in (moved(image, shift), image))
    )
    np.testing.assert_allclose(found[0], shift, atol=0.02)


def test_phase_shift_in_volumes_and_batches():
    shifts = [(0.4, -1.3, 2.2), (-0.9, 0.0, 0.15)]
    images = [
        torch.stack([smooth(13, 16, 20, seed=seed), smooth(13, 16, 20, seed=seed + 5)])
        for seed in (1, 2)
    ]
    turned = [
        torch.stack([moved(one, by) for one in image])
        for image, by in zip(images, shifts, strict=True)
    ]
    np.testing.assert_allclose(
        phase_shift(torch.stack(turned), torch.stack(images)), shifts, atol=0.02
    )


def test_phase_shift_matches_skimage():
    reference = torch.from_numpy(camera()[100:164, 100:196].astype(float))
    image = moved(reference, (1.37, -2.81))
    theirs = -phase_cross_correlation(reference.numpy(), image.numpy(), upsample_factor=100)[0]
    np.testing.assert_allclose(
        phase_shift(image[None, None], reference[None, None])[0], theirs, atol=0.025
    )


@pytest.mark.parametrize(("upsampling", "expected"), [(1, 2.0), (4, 2.25), (1000, 2.27)])
def test_phase_shift_is_as_fine_as_asked(upsampling, expected):
    image = smooth(32, 32)
    found = phase_shift(
        moved(image, (2.27, 0.0))[None, None], image[None, None], upsampling=upsampling
    )
    assert found[0].tolist() == pytest.approx([expected, 0], abs=0.005)


@pytest.mark.parametrize("corner", [(100, 100), (200, 250), (300, 60)])
@pytest.mark.parametrize("shift", [(0.3, -0.7), (1.25, 2.6), (0.1, 0.2)])
def test_spatial_finds_shifts_of_what_lies_beyond_the_borders(corner, shift):
    whole = camera().astype(float)
    parts = [
        torch.from_numpy(image[corner[0] :, corner[1] :][:128, :128].copy())[None, None]
        for image in (scipy.ndimage.shift(whole, shift, order=5), whole)
    ]
    result = SpatialConsistency()(parts[0], parts[0], view(parts[1], (1, 1), degrade=lambda hr: hr))
    assert result.item() == pytest.approx(np.hypot(*shift), abs=0.05)


def test_spatial_counts_lr_pixels():
    whole = torch.from_numpy(astronaut().astype("float32")).movedim(2, 0)[None]
    hr, sr = whole[..., 100:356, 100:356], whole[..., 98:354, 100:356]  # half an LR pixel
    result = SpatialConsistency()(sr, hr, view(Bicubic(scale=4)(hr), (4, 4)))
    assert result.item() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("value", [0.0, 0.1, 5000.0])
def test_constant_images_have_no_shift(value):
    sr, lr = torch.full((1, 2, 32, 32), value), smooth(1, 2, 16, 16).float()
    assert SpatialConsistency()(sr, sr, view(lr, (2, 2))).isnan().all()
    assert phase_shift(sr, sr).isnan().all()


def test_upsampling_must_be_positive():
    with pytest.raises(ValueError, match="upsampling is 0; give 1 for whole pixels"):
        SpatialConsistency(upsampling=0)
