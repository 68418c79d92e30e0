import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_checks import noise as normal
from metric_checks import scoring

from srlab.io import Axis
from srlab.metrics.resolution import (
    FourierRingCorrelation,
    RingCurve,
    cutoff,
    fourier_ring_correlation,
    half_bit,
)


def noise(*size, seed=0):
    return normal(*size, seed=seed, dtype=torch.float64)


def wrong_beyond(hr, limit, pixel_size):
    """`hr` below a frequency, noise of as much power above it."""
    size, axes = hr.shape[2:], tuple(range(2, hr.ndim))
    steps = (np.fft.fftfreq(n, d) for n, d in zip(size, pixel_size, strict=True))
    radius = np.linalg.norm(np.meshgrid(*steps, indexing="ij"), axis=0)
    right, wrong = (np.fft.fftn(image, axes=axes) for image in (hr, noise(*hr.shape, seed=9)))
    mixed = np.where(radius <= limit, right, wrong)
    return torch.from_numpy(np.fft.ifftn(mixed, axes=axes).real)


def by_loops(a, b, pixel_size):
    """Rings of one pair of images, coefficient by coefficient, behind Hann's window."""
    size, hann = a.shape, np.ones(())
    for n in size:
        hann = np.multiply.outer(hann, np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2)
    f, g = (np.fft.fftn((image - image.mean()) * hann) for image in (a, b))
    frequencies = [np.fft.fftfreq(n, d) for n, d in zip(size, pixel_size, strict=True)]
    width = max(1 / (n * d) for n, d in zip(size, pixel_size, strict=True))
    sums = {}
    for index in np.ndindex(size):
        parts = [steps[position] for steps, position in zip(frequencies, index, strict=True)]
        ring = round(float(np.linalg.norm(parts) / width))
        values = ((f[index] * np.conj(g[index])).real, abs(f[index]) ** 2, abs(g[index]) ** 2, 1)
        sums[ring] = sums.get(ring, 0) + np.array(values)
    rings = [ring for ring in sorted(sums) if 0 < ring <= 0.5 / min(pixel_size) / width + 1e-9]
    shared, ours, theirs, count = np.array([sums[ring] for ring in rings]).T
    return width * np.array(rings), shared / np.sqrt(ours * theirs), count


@pytest.mark.parametrize(
    ("size", "pixel_size"),
    [((16, 16), (1, 1)), ((12, 17), (10, 10)), ((8, 9, 10), (1, 1, 1)), ((8, 10, 8), (4, 1, 2))],
)
def test_curve_matches_loops(size, pixel_size):
    a = noise(1, 2, *size)
    b = a + noise(1, 2, *size, seed=1)
    curve = fourier_ring_correlation(a, b, pixel_size=pixel_size)
    first, second = (by_loops(a[0, c].numpy(), b[0, c].numpy(), pixel_size) for c in range(2))
    np.testing.assert_allclose(curve.frequency, first[0])
    np.testing.assert_allclose(curve.correlation[0], (first[1] + second[1]) / 2)
    assert curve.count.tolist() == first[2].tolist()


@pytest.mark.parametrize(
    ("size", "dtype"),
    [((32, 32), torch.float32), ((24, 33), torch.float64), ((9, 12, 10), torch.float32)],
    ids=str,
)
def test_equal_images_correlate_up_to_nyquist(size, dtype):
    """With an odd number of pixels there is no ring at Nyquist itself."""
    hr = 10_000 * noise(2, 3, *size).to(dtype)
    curve = fourier_ring_correlation(hr, hr.clone())
    torch.testing.assert_close(curve.correlation, torch.ones_like(curve.correlation))
    expected = min(size) / (min(size) // 2)
    pixels = FourierRingCorrelation()(hr, hr, scoring())["pixels"]
    np.testing.assert_allclose(pixels, expected, rtol=1e-6)


def test_images_of_a_batch_are_measured_apart():
    hr, sr = noise(2, 2, 12, 12), noise(2, 2, 12, 12, seed=1)
    curve = fourier_ring_correlation(sr, hr)
    alone = fourier_ring_correlation(sr[1:], hr[1:])
    torch.testing.assert_close(curve.correlation[1:], alone.correlation)


@settings(max_examples=10, deadline=None)
@given(gain=st.floats(0.01, 100), offset=st.floats(-1e4, 1e4))
def test_brightness_and_contrast_do_not_count(gain, offset):
    hr = noise(1, 1, 16, 16)
    sr = hr + noise(1, 1, 16, 16, seed=1)
    plain = fourier_ring_correlation(sr, hr).correlation
    changed = fourier_ring_correlation(gain * sr + offset, hr).correlation
    torch.testing.assert_close(changed, plain, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("size", [(128, 128), (32, 32, 32)])
def test_independent_noise_does_not_correlate(size):
    curve = fourier_ring_correlation(noise(1, 3, *size), noise(1, 3, *size, seed=1))
    assert curve.correlation[:, 5:].mean().abs() < 0.02
    assert curve.correlation[:, 5:].abs().mean() < 0.07


def test_finds_the_frequency_beyond_which_all_is_wrong():
    for threshold in [0.143, 0.5, "half_bit"]:
        hr = noise(1, 3, 128, 128)
        for limit in (0.1, 0.25, 0.4):
            sr = wrong_beyond(hr, limit, (1, 1))
            result = FourierRingCorrelation(threshold=threshold)(sr, hr, scoring())
            assert 1 / result["pixels"].item() == pytest.approx(limit, abs=1.5 / 128)
            assert list(result) == ["pixels"]


def test_long_voxels_have_physical_frequencies():
    hr, pixel_size = noise(1, 2, 16, 64, 64), (4.0, 1.0, 1.0)
    sr = wrong_beyond(hr, 0.3, pixel_size)
    axes = tuple(Axis(name, size, "mm") for name, size in zip("zyx", pixel_size, strict=True))
    result = FourierRingCorrelation()(sr, hr, scoring(axes=axes))
    assert 1 / result["mm"].item() == pytest.approx(0.3, abs=1.5 / 64)
    torch.testing.assert_close(result["pixels"], result["mm"])


def test_physical_is_pixels_by_their_size():
    hr = noise(2, 1, 64, 64)
    sr = wrong_beyond(hr, 0.2, (1, 1))
    plain = FourierRingCorrelation()(sr, hr, scoring())["pixels"]
    square = (Axis("y", 0.0025, "mm"), Axis("x", 2.5, "µm"))
    known = FourierRingCorrelation()(sr, hr, scoring(axes=square))
    torch.testing.assert_close(known["pixels"], plain)
    torch.testing.assert_close(known["um"], 2.5 * plain)
    for axes in ((Axis("y", 2.5), Axis("x", 2.5)), (Axis("t", 0.1, "s"), Axis("x", 2.5, "mm"))):
        assert list(FourierRingCorrelation()(sr, hr, scoring(axes=axes))) == ["pixels"]


def test_borders_that_do_not_meet_are_faded_out():
    """Two ramps share only their borders; unfaded, the jump from border to border correlates."""
    ramp = 100 * torch.linspace(0, 1, 64, dtype=torch.float64).expand(1, 1, 64, 64)
    sr, hr = ramp + noise(1, 1, 64, 64), ramp + noise(1, 1, 64, 64, seed=1)
    assert fourier_ring_correlation(sr, hr, taper=0.0).correlation[:, 4:].mean() > 0.5
    assert fourier_ring_correlation(sr, hr, taper=1.0).correlation[:, 4:].mean() < 0.1


def test_threshold_is_crossed_between_rings():
    correlation = torch.tensor([[0.9, 0.3, 0.8], [0.4, 0.9, 0.9]])
    curve = RingCurve(torch.tensor([0.1, 0.2, 0.3]), correlation, torch.ones(3))
    torch.testing.assert_close(cutoff(curve, 0.5), torch.tensor([0.1 + 0.1 * 2 / 3, 0.1 * 5 / 6]))
    assert cutoff(curve, 0.1).tolist() == pytest.approx([0.3, 0.3])


def test_half_bit_is_half_a_bit():
    """With many coefficients log2(1 + SNR) is one half at an SNR of 0.4142.

    Either half of the data has half of that.
    """
    snr = (2**0.5 - 1) / 2
    assert half_bit(torch.tensor([10**12])).item() == pytest.approx(snr / (1 + snr), abs=1e-4)
    roots = np.sqrt([4.0, 100.0])
    expected = (snr + 2 * np.sqrt(snr) / roots + 1 / roots) / (snr + 2 * np.sqrt(snr) / roots + 1)
    np.testing.assert_allclose(half_bit(torch.tensor([4, 100])), expected, atol=1e-3)


def test_hidden_pixels_never_influence():
    hr, valid = 100 + noise(2, 2, 32, 32), torch.ones(2, 1, 32, 32, dtype=torch.bool)
    valid[:, :, 5:14, 9:30] = False
    sr = hr + noise(2, 2, 32, 32, seed=1)
    results = []
    for ours, theirs in ((0.0, 0.0), (1e4, -5.0), (3.0, torch.nan)):
        images = torch.where(valid, sr, ours), torch.where(valid, hr, theirs)
        results.append(fourier_ring_correlation(*images, visible=valid).correlation)
    assert results[0].equal(results[1])
    assert results[0].equal(results[2])
    # as if the visible mean had been there from the start
    count = valid.sum((2, 3), True)
    filled = (torch.where(valid, x, (x * valid).sum((2, 3), True) / count) for x in (sr, hr))
    torch.testing.assert_close(results[0], fourier_ring_correlation(*filled).correlation)


@pytest.mark.parametrize("value", [0.0, 0.1, 7000.0])
def test_nothing_to_compare_is_nan(value):
    hr = noise(3, 2, 16, 16).float()
    sr = hr.clone()
    hr[0] = value
    valid = torch.ones(3, 1, 16, 16, dtype=torch.bool)
    valid[1] = False
    result = FourierRingCorrelation()(sr, hr, scoring(valid=valid))["pixels"]
    assert result[:2].isnan().all()
    assert result[2] == 2


def test_constant_channel_is_left_out():
    hr = noise(1, 2, 16, 16)
    hr[:, 1] = 3.0
    sr = hr + noise(1, 2, 16, 16, seed=1)
    both = fourier_ring_correlation(sr, hr).correlation
    torch.testing.assert_close(both, fourier_ring_correlation(sr[:, :1], hr[:, :1]).correlation)


def test_nothing_that_agrees_exceeds_the_image():
    hr = noise(1, 1, 32, 32)
    result = FourierRingCorrelation()(torch.full_like(hr, 4.0), hr, scoring())["pixels"]
    assert 32 < result.item() < 64


def test_small_images_are_an_error():
    image = noise(1, 1, 7, 32)
    with pytest.raises(ValueError, match=r"at least 8 pixels along each axis; got \(7, 32\)"):
        fourier_ring_correlation(image, image)


def test_arguments_are_checked():
    image = noise(1, 1, 8, 8)
    message = "threshold is 'bit'; give a correlation between 0 and 1, or half_bit"
    with pytest.raises(ValueError, match=message):
        FourierRingCorrelation(threshold="bit")
    with pytest.raises(ValueError, match=r"taper is 1\.5; give a share"):
        fourier_ring_correlation(image, image, taper=1.5)
    with pytest.raises(ValueError, match=r"pixel_size is \(1\.0,\) for 2 axes"):
        fourier_ring_correlation(image, image, pixel_size=(1.0,))
