import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from srlab.metrics.protocol import View
from srlab.metrics.resolution import (
    FourierRingCorrelation,
    RingCurve,
    cutoff,
    fourier_ring_correlation,
    half_bit,
)


def noise(*size, seed=0):
    return torch.randn(size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def view(valid=None, pixel_size=None):
    return View(
        lr=torch.zeros(1),
        valid=valid,
        scale=(1, 1),
        data_range=1.0,
        channels=(),
        pixel_size=pixel_size,
        degrade=lambda hr: hr,
    )


def radius(size, pixel_size):
    steps = np.meshgrid(
        *(np.fft.fftfreq(n, d) for n, d in zip(size, pixel_size, strict=True)), indexing="ij"
    )
    return np.sqrt(sum(step**2 for step in steps))


def wrong_beyond(hr, limit, pixel_size, seed=9):
    """`hr` below a frequency, noise of as much power above it."""
    axes = tuple(range(2, hr.ndim))
    spectra = [np.fft.fftn(image.numpy(), axes=axes) for image in (hr, noise(*hr.shape, seed=seed))]
    return torch.from_numpy(
        np.fft.ifftn(np.where(radius(hr.shape[2:], pixel_size) <= limit, *spectra), axes=axes).real
    )


def by_loops(a, b, pixel_size):
    """Rings of one pair of images, coefficient by coefficient, behind Hann's window."""
    size = a.shape
    for axis, n in enumerate(size):
        hann = np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2
        shape = [1] * len(size)
        shape[axis] = n
        a, b = (
            (image - (image.mean() if axis == 0 else 0)) * hann.reshape(shape) for image in (a, b)
        )
    f, g = np.fft.fftn(a), np.fft.fftn(b)
    width = max(1 / (n * d) for n, d in zip(size, pixel_size, strict=True))
    sums = {}
    for index in np.ndindex(size):
        parts = [np.fft.fftfreq(n, d)[i] for n, d, i in zip(size, pixel_size, index, strict=True)]
        ring = round(float(np.linalg.norm(parts) / width))
        total = sums.setdefault(ring, [0, 0, 0, 0])
        values = ((f[index] * np.conj(g[index])).real, abs(f[index]) ** 2, abs(g[index]) ** 2, 1)
        sums[ring] = [old + new for old, new in zip(total, values, strict=True)]
    rings = [ring for ring in sorted(sums) if 0 < ring <= 0.5 / min(pixel_size) / width + 1e-9]
    curve = [sums[ring][0] / np.sqrt(sums[ring][1] * sums[ring][2]) for ring in rings]
    return width * np.array(rings), np.array(curve), [sums[ring][3] for ring in rings]


@pytest.mark.parametrize(
    ("size", "pixel_size"),
    [((16, 16), (1, 1)), ((12, 17), (10, 10)), ((9, 12, 14), (1, 1, 1)), ((8, 16, 8), (4, 1, 2))],
)
def test_curve_matches_loops(size, pixel_size):
    a = noise(2, 2, *size)
    b = a + noise(2, 2, *size, seed=1)
    curve = fourier_ring_correlation(a, b, pixel_size=pixel_size)
    for position in range(2):
        channels = [
            by_loops(a[position, c].numpy(), b[position, c].numpy(), pixel_size) for c in range(2)
        ]
        np.testing.assert_allclose(curve.frequency, channels[0][0])
        np.testing.assert_allclose(
            curve.correlation[position], (channels[0][1] + channels[1][1]) / 2
        )
        assert curve.count.tolist() == channels[0][2]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [(32, 32), (24, 33), (12, 16, 12)])
def test_equal_images_correlate_up_to_nyquist(size, dtype):
    hr = 10_000 * noise(2, 3, *size).to(dtype)
    curve = fourier_ring_correlation(hr, hr.clone())
    torch.testing.assert_close(curve.correlation, torch.ones_like(curve.correlation))
    even = min(size) % 2 == 0  # an odd number of pixels has no ring at Nyquist itself
    expected = 2.0 if even else 1 / curve.frequency[-1].item()
    np.testing.assert_allclose(
        FourierRingCorrelation()(hr, hr, view())["pixels"], expected, rtol=1e-6
    )


@settings(max_examples=15, deadline=None)
@given(gain=st.floats(0.01, 100), offset=st.floats(-1e4, 1e4))
def test_brightness_and_contrast_do_not_count(gain, offset):
    hr = noise(1, 1, 16, 16)
    sr = hr + noise(1, 1, 16, 16, seed=1)
    curves = [fourier_ring_correlation(image, hr).correlation for image in (sr, gain * sr + offset)]
    torch.testing.assert_close(*curves, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("size", [(128, 128), (32, 32, 32)])
def test_independent_noise_does_not_correlate(size):
    curve = fourier_ring_correlation(noise(1, 3, *size), noise(1, 3, *size, seed=1))
    assert curve.correlation[:, 5:].mean().abs() < 0.02
    assert curve.correlation[:, 5:].abs().mean() < 0.07


@pytest.mark.parametrize("threshold", [0.143, 0.5, "half_bit"])
@pytest.mark.parametrize("limit", [0.1, 0.25, 0.4])
def test_finds_the_frequency_beyond_which_all_is_wrong(limit, threshold):
    hr = noise(1, 3, 128, 128)
    result = FourierRingCorrelation(threshold=threshold)(
        wrong_beyond(hr, limit, (1, 1)), hr, view()
    )
    assert 1 / result["pixels"].item() == pytest.approx(limit, abs=1.5 / 128)
    assert list(result) == ["pixels"]


def test_shells_of_volumes():
    hr = noise(1, 2, 32, 32, 32)
    result = FourierRingCorrelation()(wrong_beyond(hr, 0.25, (1, 1, 1)), hr, view())
    assert 1 / result["pixels"].item() == pytest.approx(0.25, abs=1.5 / 32)


def test_long_voxels_have_physical_frequencies():
    hr, pixel_size = noise(1, 2, 16, 64, 64), (4.0, 1.0, 1.0)
    result = FourierRingCorrelation()(
        wrong_beyond(hr, 0.3, pixel_size), hr, view(pixel_size=pixel_size)
    )
    assert 1 / result["physical"].item() == pytest.approx(0.3, abs=1.5 / 64)
    torch.testing.assert_close(result["pixels"], result["physical"])


def test_physical_is_pixels_by_their_size():
    hr = noise(2, 1, 64, 64)
    sr = wrong_beyond(hr, 0.2, (1, 1))
    plain = FourierRingCorrelation()(sr, hr, view())["pixels"]
    known = FourierRingCorrelation()(sr, hr, view(pixel_size=(2.5, 2.5)))
    torch.testing.assert_close(known["pixels"], plain)
    torch.testing.assert_close(known["physical"], 2.5 * plain)


def test_borders_that_do_not_meet_are_faded_out():
    """Two ramps share their borders and nothing else; unfaded, the jump from border to border correlates."""
    ramp = 100 * torch.linspace(0, 1, 64, dtype=torch.float64).expand(1, 1, 64, 64)
    sr, hr = ramp + noise(1, 1, 64, 64), ramp + noise(1, 1, 64, 64, seed=1)
    bare, faded = (
        fourier_ring_correlation(sr, hr, taper=taper).correlation[:, 4:].mean()
        for taper in (0.0, 1.0)
    )
    assert bare > 0.5
    assert faded < 0.1


def test_threshold_is_crossed_between_rings():
    curve = RingCurve(
        torch.tensor([0.1, 0.2, 0.3]),
        torch.tensor([[0.9, 0.3, 0.8], [0.4, 0.9, 0.9]]),
        torch.ones(3),
    )
    torch.testing.assert_close(cutoff(curve, 0.5), torch.tensor([0.1 + 0.1 * 2 / 3, 0.1 * 5 / 6]))
    assert cutoff(curve, 0.1).tolist() == pytest.approx([0.3, 0.3])


def test_half_bit_is_half_a_bit():
    """With many coefficients log2(1 + SNR) is one half: an SNR of 0.4142, of which either half of the data has half."""
    snr = (2**0.5 - 1) / 2
    assert half_bit(torch.tensor([10**12])).item() == pytest.approx(snr / (1 + snr), abs=1e-4)
    roots = np.sqrt([4.0, 100.0])
    expected = (snr + 2 * np.sqrt(snr) / roots + 1 / roots) / (snr + 2 * np.sqrt(snr) / roots + 1)
    np.testing.assert_allclose(half_bit(torch.tensor([4, 100])), expected, atol=1e-3)


def test_hidden_pixels_never_influence():
    hr, valid = 100 + noise(2, 2, 32, 32), torch.ones(2, 1, 32, 32, dtype=torch.bool)
    valid[:, :, 5:14, 9:30] = False
    sr = hr + noise(2, 2, 32, 32, seed=1)
    results = [
        fourier_ring_correlation(
            torch.where(valid, sr, ours), torch.where(valid, hr, theirs), visible=valid
        ).correlation
        for ours, theirs in ((0.0, 0.0), (1e4, -5.0), (3.0, torch.nan))
    ]
    assert results[0].equal(results[1])
    assert results[0].equal(results[2])
    # as if the visible mean had been there from the start
    filled = [
        torch.where(valid, x, (x * valid).sum((2, 3), True) / valid.sum((2, 3), True))
        for x in (sr, hr)
    ]
    torch.testing.assert_close(results[0], fourier_ring_correlation(*filled).correlation)


@pytest.mark.parametrize("value", [0.0, 0.1, 7000.0])
def test_nothing_to_compare_is_nan(value):
    hr = noise(3, 2, 16, 16).float()
    sr = hr.clone()
    hr[0] = value
    valid = torch.ones(3, 1, 16, 16, dtype=torch.bool)
    valid[1] = False
    result = FourierRingCorrelation()(sr, hr, view(valid))["pixels"]
    assert result[:2].isnan().all()
    assert result[2] == 2


def test_constant_channel_is_left_out():
    hr = noise(1, 2, 16, 16)
    hr[:, 1] = 3.0
    sr = hr + noise(1, 2, 16, 16, seed=1)
    both, one = (fourier_ring_correlation(sr[:, :n], hr[:, :n]).correlation for n in (2, 1))
    torch.testing.assert_close(both, one)


def test_nothing_that_agrees_exceeds_the_image():
    hr = noise(1, 1, 32, 32)
    result = FourierRingCorrelation()(torch.full_like(hr, 4.0), hr, view())["pixels"]
    assert 32 < result.item() < 64


def test_small_images_are_an_error():
    with pytest.raises(ValueError, match=r"at least 8 pixels along each axis; got \(7, 32\)"):
        fourier_ring_correlation(noise(1, 1, 7, 32), noise(1, 1, 7, 32))


def test_arguments_are_checked():
    with pytest.raises(
        ValueError, match="threshold is 'bit'; give a correlation between 0 and 1, or half_bit"
    ):
        FourierRingCorrelation(threshold="bit")
    with pytest.raises(ValueError, match=r"taper is 1\.5; give a share"):
        fourier_ring_correlation(noise(1, 1, 8, 8), noise(1, 1, 8, 8), taper=1.5)
    with pytest.raises(ValueError, match=r"pixel_size is \(1\.0,\) for 2 axes"):
        fourier_ring_correlation(noise(1, 1, 8, 8), noise(1, 1, 8, 8), pixel_size=(1.0,))
