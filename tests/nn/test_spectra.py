import numpy as np
import pytest
import torch

from srlab.nn.spectra import spectral_angle


def random(*size, seed=0):
    return torch.rand(size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def spectrum(values, dtype=torch.float64):
    """An image of one pixel."""
    return torch.tensor(values, dtype=dtype).view(1, -1, 1, 1)


def angle(first, second, dtype=torch.float64, **options):
    return spectral_angle(spectrum(first, dtype), spectrum(second, dtype), **options).item()


def test_angle_of_simple_spectra():
    cases = [
        ((1, 0), (1, 1), np.pi / 4),
        ((1, 0), (0, 5), np.pi / 2),
        ((1, 0), (-2, 0), np.pi),
        ((1, 2, 3), (3, 2, 1), np.arccos(10 / 14)),
        ((3, 4), (3, 4), 0.0),
    ]
    for first, second, expected in cases:
        assert angle(first, second) == pytest.approx(expected, rel=1e-12)
        assert angle(first, second, torch.float32) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("small", [1e-3, 1e-6, 1e-8])
def test_small_angles_keep_their_digits(small):
    turned = [3 * np.cos(0.7 + small), 3 * np.sin(0.7 + small)]
    expected = np.arctan2(turned[1], turned[0]) - 0.7
    found = angle(turned, [np.cos(0.7), np.sin(0.7)])
    assert found == pytest.approx(expected, rel=1e-12, abs=2e-15)


def test_small_angles_are_seen_in_float32():
    assert angle([1, 1e-6], [1, 0], torch.float32) == pytest.approx(1e-6, rel=0.02)


@pytest.mark.parametrize("small", [1e-1, 1e-4, 1e-6])
def test_a_small_angle_shrinks_as_fast_as_a_large_one(small):
    first = spectrum([np.cos(small), np.sin(small)]).requires_grad_()
    spectral_angle(first, spectrum([1.0, 0.0])).backward()
    # the unit vector along which the angle grows
    expected = [-np.sin(small), np.cos(small)]
    np.testing.assert_allclose(first.grad.flatten(), expected, rtol=1e-6)


def test_equal_spectra_have_no_angle_and_no_derivative():
    second = random(1, 4, 3, 3)
    first = second.clone().requires_grad_()
    result = spectral_angle(first, second)
    result.sum().backward()
    assert not result.any()
    assert not first.grad.any()


@pytest.mark.parametrize("dark", [(0,), (1,), (0, 1)])
def test_spectrum_of_zero_has_no_angle_and_no_derivative(dark):
    images = [random(1, 3, 2, 2), random(1, 3, 2, 2, seed=1)]
    expected = spectral_angle(*images)
    expected[..., 0, 0] = 0
    for position in dark:
        images[position][..., 0, 0] = 0
    images[0].requires_grad_()
    result = spectral_angle(*images)
    result.sum().backward()
    torch.testing.assert_close(result, expected)
    assert not images[0].grad[..., 0, 0].any()
    assert images[0].grad[..., 1, 1].all()


def test_spectrum_no_longer_than_the_least_length_has_no_angle():
    assert angle([0.5, 0], [0, 9], least=0.5) == angle([9, 0], [0, 0.5], least=0.5) == 0
    assert angle([0.6, 0], [0, 9], least=0.5) == pytest.approx(np.pi / 2)


def test_broken_spectrum_stays_broken():
    assert np.isnan(angle([np.nan, 1], [1, 0]))
    assert np.isnan(angle([1, 0], [1, np.nan]))
