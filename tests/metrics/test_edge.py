import numpy as np
import pytest
import torch
from metric_checks import scoring
from scipy.ndimage import gaussian_filter
from scipy.special import ndtr

from srlab.io import Axis
from srlab.metrics.edge import EdgeCurve, SlantedEdge, mtf50, slanted_edge


def edge(size=64, degrees=5.0, sigma=0.8, *, offset=0.3, low=100.0, high=900.0):
    """An edge behind a Gaussian blur, sampled at the middles of the pixels."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    slant = np.radians(degrees)
    distance = (x - offset) * np.cos(slant) - y * np.sin(slant)
    return torch.from_numpy(low + (high - low) * ndtr(distance / sigma))


def gaussian_mtf(sigma, frequency):
    """Of the blur, times the method's own: bins of a quarter of a pixel."""
    return np.exp(-2 * (np.pi * sigma * frequency) ** 2) * np.sinc(frequency / 4)


def gaussian_mtf50(sigma):
    frequency = np.linspace(0, 2, 20001)
    return frequency[np.argmax(gaussian_mtf(sigma, frequency) < 0.5)]


@pytest.mark.parametrize(
    ("size", "degrees", "sigma"),
    [(32, 5.0, 0.5), (64, -5.0, 0.8), (64, 2.5, 1.5), (32, 12.0, 0.8)],
)
def test_mtf_of_a_gaussian_blur_is_the_formula(size, degrees, sigma):
    curve = slanted_edge(edge(size, degrees, sigma))
    below_nyquist = curve.frequency <= 0.5
    expected = gaussian_mtf(sigma, curve.frequency.numpy())
    np.testing.assert_allclose(curve.mtf[0][below_nyquist], expected[below_nyquist], atol=0.02)
    assert curve.degrees.item() == pytest.approx(degrees, abs=0.01)
    assert curve.residual.item() < 0.01
    assert mtf50(curve).item() == pytest.approx(gaussian_mtf50(sigma), abs=0.005)


def test_mtf_of_a_sharp_edge_is_that_of_square_pixels():
    fine = edge(64 * 16, 5.0, 1e-9, offset=4.8)
    curve = slanted_edge(fine.unflatten(1, (64, 16)).mean(2).unflatten(0, (64, 16)).mean(1))
    frequency = curve.frequency.numpy()[:51]
    expected = np.sinc(frequency) * np.sinc(frequency / 4)
    np.testing.assert_allclose(curve.mtf[0, :51], expected, atol=0.02)


def test_turned_mirrored_or_inverted_edge_is_the_same():
    patch = edge()
    turned = [patch, patch.T, patch.flip(0), patch.flip(1), 1000 - patch, 1000 - patch.T]
    values = mtf50(slanted_edge(torch.stack(turned)))
    torch.testing.assert_close(values, values[:1].expand(6), rtol=1e-6, atol=0)


@pytest.mark.parametrize("gain", [1e-3, 1e4])
def test_contrast_and_type_do_not_count(gain):
    curve = slanted_edge((gain * edge()).float())
    np.testing.assert_allclose(curve.mtf[0], slanted_edge(edge()).mtf[0], atol=1e-3)


def test_noise_changes_little():
    noise = np.random.default_rng(0).normal(scale=8, size=(64, 64))
    found = mtf50(slanted_edge(edge() + torch.from_numpy(noise)))
    assert found.item() == pytest.approx(gaussian_mtf50(0.8), rel=0.05)


def test_edges_along_the_grid_and_flat_patches_are_nan():
    patches = torch.stack([edge(32, 0.0), torch.full((32, 32), 5.0, dtype=torch.float64)])
    assert mtf50(slanted_edge(patches)).isnan().all()


def test_half_is_crossed_between_frequencies():
    mtf = torch.tensor([[1, 0.8, 0.4, 0.6], [1.0, 1.2, 0.9, 0.7]])
    curve = EdgeCurve(torch.tensor([0, 0.2, 0.4, 1.0]), mtf, torch.zeros(2), torch.zeros(2))
    torch.testing.assert_close(mtf50(curve), torch.tensor([0.35, 1.0]))


def test_small_patches_are_an_error():
    with pytest.raises(ValueError, match=r"at least 16 pixels a side; got \(1, 32, 15\)"):
        slanted_edge(torch.zeros(32, 15))


def scene(sigma, *, seed=0):
    """Texture, and somewhere in it a field with a slanted border, ``(1, 2, 96, 128)``."""
    image = gaussian_filter(np.random.default_rng(seed).normal(size=(96, 128)), 1) * 200 + 400
    image[24:72, 40:104] = edge(64, 6.0, sigma).numpy()[8:56]
    return torch.from_numpy(np.stack([image, 2 * image]))[None]


def scored(sr, hr, valid=None):
    return SlantedEdge()(sr, hr, scoring(valid=valid))


def test_finds_the_edge_in_hr_and_measures_both():
    result = scored(scene(1.2), scene(0.6))
    assert result["sr"].item() == pytest.approx(gaussian_mtf50(1.2), rel=0.05)
    assert result["hr"].item() == pytest.approx(gaussian_mtf50(0.6), rel=0.05)


@pytest.mark.parametrize(("row", "known"), [(0.25, True), (0.5, False), (None, False)])
def test_values_are_per_unit_where_pixels_are_square_and_known(row, known):
    image, axes = scene(1.2), (Axis("y", row, "mm"), Axis("x", 0.25, "mm"))
    result = SlantedEdge()(image, image, scoring(axes=axes))
    assert ("sr_per_mm" in result) is known
    if known:
        assert result["sr_per_mm"].item() == pytest.approx(gaussian_mtf50(1.2) / 0.25, rel=0.05)


def test_falling_and_lying_edges_are_found():
    hr = scene(0.6)
    plain = scored(hr, hr)["hr"]
    for image in (3000 - hr, hr.mT):
        torch.testing.assert_close(scored(image, image)["hr"], plain)


def test_images_of_a_batch_are_measured_apart():
    noise = torch.from_numpy(np.random.default_rng(1).normal(size=(1, 2, 96, 128)))
    hr = torch.cat([scene(0.6), noise, scene(0.9)])
    result = scored(hr, hr)
    assert result["hr"].isnan().tolist() == [False, True, False]
    torch.testing.assert_close(result["hr"][2:], scored(hr[2:], hr[2:])["hr"])
    torch.testing.assert_close(result["sr"], result["hr"], equal_nan=True)


def test_edges_of_other_slants_are_none():
    hr = torch.stack([edge(48, degrees) for degrees in (0.0, 1.2, 22.0, 30.0, 45.0)])[:, None]
    assert scored(hr, hr)["sr"].isnan().all()


def test_curved_edges_and_steps_are_none():
    y, x = np.mgrid[:32, :32] - 15.5
    curved = torch.from_numpy(ndtr((x - 0.1 * y - 0.02 * y**2) / 0.8))
    steps = edge(32) + 0.4 * edge(32, offset=9.0)
    hr = torch.stack([curved, steps, edge(32)])[:, None]
    assert scored(hr, hr)["hr"].isnan().tolist() == [True, True, False]


def with_another_edge(image, high=5000.0):
    """An edge at the left border, of more contrast if not told otherwise."""
    changed = image.clone()
    changed[..., :40] = edge(128, 6.0, 2.0, offset=-44.0, high=high)[16:112, :40]
    return changed


def test_edge_is_looked_for_in_hr_alone():
    plain = scored(scene(1.2), scene(0.6))["sr"]
    invented = scored(with_another_edge(scene(1.2)), scene(0.6))["sr"]
    assert invented.equal(plain)
    fainter = with_another_edge(scene(0.6), high=300.0)
    found = scored(fainter, fainter)["sr"]
    assert found.item() == pytest.approx(gaussian_mtf50(0.6), rel=0.05)
    both = scored(with_another_edge(scene(1.2)), with_another_edge(scene(0.6)))
    assert both["hr"].item() == pytest.approx(gaussian_mtf50(2.0), rel=0.1)


def test_hidden_pixels_never_influence():
    hr, valid = scene(0.6), torch.ones(1, 1, 96, 128, dtype=torch.bool)
    valid[..., :40] = False
    plain = scored(hr, hr, valid)
    assert plain["hr"].isfinite().all()
    for other in (with_another_edge(hr), torch.where(valid, hr, torch.nan)):
        result = scored(other, other, valid)
        assert result["hr"].equal(plain["hr"])
        assert result["sr"].equal(plain["sr"])
    nothing = scored(hr, hr + torch.nan, torch.zeros_like(valid))
    assert nothing["sr"].isnan().all()


def test_volumes_and_small_images_are_an_error():
    volume, small = torch.zeros(1, 1, 32, 32, 32), torch.zeros(1, 1, 20, 40)
    with pytest.raises(ValueError, match=r"got 3 spatial axes\. Leave this metric out"):
        scored(volume, volume)
    message = r"size is 32 but the image \(20, 40\): choose a smaller size"
    with pytest.raises(ValueError, match=message):
        scored(small, small)
    with pytest.raises(ValueError, match="size is 8; an edge needs windows of at least 16"):
        SlantedEdge(size=8)
