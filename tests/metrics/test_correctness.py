import numpy as np
import pytest
import torch
from metric_checks import random as uniform
from metric_checks import scoring

from srlab.degradations import Bicubic
from srlab.metrics.correctness import Correctness
from srlab.nn.resample import enlarge

SHARES = ("improvement", "omission", "hallucination")
both = pytest.mark.parametrize("distance", ["normalised", "absolute"])

OWN = {"quantile": 0.25, "softness": 0.4, "temperature": 0.5}
PUBLISHED = {
    ("normalised", "default"): [[0.33034, 0.60368, 0.06598], [0.32381, 0.61228, 0.06391]],
    ("normalised", "own"): [[0.33990, 0.43693, 0.22317], [0.33892, 0.44248, 0.21860]],
    ("absolute", "default"): [[0.38940, 0.54981, 0.06078], [0.39733, 0.54249, 0.06018]],
    ("absolute", "own"): [[0.35256, 0.42800, 0.21943], [0.35244, 0.43202, 0.21554]],
}
"""The shares of opensr-test 1.3.3 for `formula_images`, with its preparation off."""


def random(*size, seed=0):
    return 0.1 + uniform(*size, seed=seed, dtype=torch.float64)


def formula_images():
    """LR ``(2, 3, 8, 8)``, SR and HR ``(2, 3, 32, 32)``, all positive."""
    n, c, y, x = np.mgrid[:2, :3, :32, :32]
    waves = 0.3 * np.sin(0.9 * x + n + c) * np.cos(0.7 * y - c) + 0.1 * np.sin(2.1 * x * (n + 1))
    hr = torch.from_numpy(0.5 + waves)
    lr = hr.unflatten(3, (8, 4)).mean(4).unflatten(2, (8, 4)).mean(3)
    sr = 0.4 * hr + 0.6 * lr.repeat_interleave(4, 2).repeat_interleave(4, 3)
    return lr, sr + torch.from_numpy(0.05 * np.cos(1.7 * x + 2.3 * y)), hr


def by_loops(sr, hr, known, *, distance, quantile=0.75, softness=0.05, temperature=0.25):
    """The published equations, pixel by pixel, for images ``(C, N)``."""

    def between(a, b):
        error = abs(a - b)
        if distance == "normalised":
            error = error / np.where(error > 0, abs(a) + abs(b), 1)
        return error.mean(axis=0)

    r, i, o = between(known, hr), between(sr, hr), between(sr, known)
    threshold = sorted(r)[int(quantile * len(r)) - 1]
    shares = []
    for reference, to_hr, to_lr in zip(r, i, o, strict=True):
        if max(reference, to_hr, to_lr) > threshold:
            i, o = to_hr / reference, to_lr / reference
            stay = 1 - np.exp(-softness * (i + o - 1))
            distances = np.array([i + o * stay, o + i * stay, np.exp(-softness * i * o)])
            closeness = np.exp(-distances / temperature)
            shares.append(closeness / closeness.sum())
    return np.mean(shares, axis=0)


def assert_shares(result, position, expected):
    found = [result[share][position] for share in SHARES]
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(("distance", "settings"), PUBLISHED)
def test_matches_the_authors_package(distance, settings):
    lr, sr, hr = formula_images()
    own = {"own": OWN, "default": {}}[settings]
    result = Correctness(distance=distance, **own)(sr, hr, scoring(lr=lr, scale=(4, 4)))
    found = torch.stack([result[share] for share in SHARES], 1)
    np.testing.assert_allclose(found, PUBLISHED[distance, settings], atol=2e-5)


@both
def test_matches_the_authors_package_where_it_is_installed(distance):
    opensr_test = pytest.importorskip("opensr_test")
    sr, hr, lr = random(1, 4, 32, 32), random(1, 4, 32, 32, seed=1), random(1, 4, 16, 16, seed=2)
    result = Correctness(distance=distance)(sr, hr, scoring(lr=lr, scale=(2, 2)))
    theirs = opensr_test.Metrics(
        correctness_distance={"normalised": "nd", "absolute": "l1"}[distance],
        harm_apply_spectral=False,
        harm_apply_spatial=False,
        border_mask=0,
    ).correctness(lr=lr[0], sr=sr[0], hr=hr[0], gradient_threshold="auto")
    for share, key in zip(SHARES, ("im_metric", "om_metric", "ha_metric"), strict=True):
        assert result[share].item() == pytest.approx(theirs[key], abs=1e-4)


@both
@pytest.mark.parametrize(
    ("small", "scale", "quantile", "lowest"),
    [((4, 3), (2, 4), 0.75, 0.1), ((4, 3), (2, 4), 0.1, -0.4), ((4, 4, 2), (1, 2, 3), 0.5, -0.4)],
)
def test_matches_loops(small, scale, distance, quantile, lowest):
    size = tuple(n * s for n, s in zip(small, scale, strict=True))
    images = [random(2, 3, *n, seed=seed) for seed, n in enumerate((size, size, small))]
    for image in images:
        image += lowest - 0.1
        image[:, 1] = 0  # a channel without a value
    sr, hr, lr = images
    settings = {"distance": distance, "quantile": quantile, "softness": 0.1, "temperature": 0.5}
    result = Correctness(**settings)(sr, hr, scoring(lr=lr, scale=scale))
    known = enlarge(lr, scale, "linear")
    for n in range(2):
        flat = (image[n].flatten(1).numpy() for image in (sr, hr, known))
        assert_shares(result, n, by_loops(*flat, **settings))


@both
def test_truth_improves_enlarging_omits_and_invention_hallucinates(distance):
    hr = random(1, 3, 32, 32)
    given = scoring(lr=Bicubic(scale=4)(hr), scale=(4, 4))
    images = {
        "improvement": hr,
        "omission": enlarge(given.lr, 4, "linear"),
        "hallucination": 10 * random(1, 3, 32, 32, seed=5),
    }
    for share, sr in images.items():
        result = Correctness(distance=distance)(sr, hr, given)
        assert max(result, key=lambda name: result[name].item()) == share
        assert sum(result.values()).item() == pytest.approx(1)
    # r = o and i = 0: distances 0, 1, 1
    result = Correctness(distance=distance)(hr, hr, given)
    assert result["improvement"].item() == pytest.approx(1 / (1 + 2 * np.exp(-4)))


@both
def test_unit_does_not_count(distance):
    lr, sr, hr = formula_images()
    metric = Correctness(distance=distance)
    plain = metric(sr, hr, scoring(lr=lr, scale=(4, 4)))
    scaled = metric(10_000 * sr, 10_000 * hr, scoring(lr=10_000 * lr, scale=(4, 4)))
    for share in SHARES:
        torch.testing.assert_close(scaled[share], plain[share])


@both
def test_hidden_pixels_never_influence(distance):
    sr, hr, lr = random(2, 2, 16, 16), random(2, 2, 16, 16, seed=1), random(2, 2, 8, 8, seed=2)
    valid = torch.ones(2, 1, 16, 16, dtype=torch.bool)
    valid[:, :, 3:9, 5:16] = False
    known = enlarge(lr, 2, "linear")
    for ours, theirs in ((0.0, 0.0), (1e4, torch.nan)):
        images = torch.where(valid, sr, ours), torch.where(valid, hr, theirs)
        result = Correctness(distance=distance)(*images, scoring(lr=lr, scale=(2, 2), valid=valid))
        for n in range(2):
            flat = (image[n][:, valid[n, 0]].numpy() for image in (sr, hr, known))
            assert_shares(result, n, by_loops(*flat, distance=distance))


@both
def test_image_without_pixels_or_change_is_nan(distance):
    lr = random(3, 2, 8, 8).float()
    sr = enlarge(lr, 2, "linear")
    hr, valid = sr.clone(), torch.ones(3, 1, 16, 16, dtype=torch.bool)
    hr[1:] += random(2, 2, 16, 16, seed=1)
    valid[1] = False
    result = Correctness(distance=distance)(sr, hr, scoring(lr=lr, scale=(2, 2), valid=valid))
    for share in SHARES:
        assert result[share].isnan().tolist() == [True, True, False]


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_finite_where_lr_is_right_already_or_values_are_zero_or_negative(distance, dtype):
    hr = random(1, 2, 8, 8).to(dtype) - 0.5
    hr[..., 0] = 0
    sr = hr.clone()
    sr[..., 3, 3] = 7
    sr[..., 5] *= -1
    sr[..., 0, 0] = 1e-30
    given = scoring(lr=hr[..., ::2, ::2], scale=(2, 2))
    result = Correctness(distance=distance, quantile=0.0)(sr, hr, given)
    assert all(value.isfinite().all() for value in result.values())
    known = Correctness(distance=distance)(sr, hr, scoring(lr=hr))
    assert known["hallucination"].item() == 1


def test_other_channels_in_lr_are_an_error():
    hr, given = random(1, 2, 8, 8), scoring(lr=random(1, 3, 4, 4), scale=(2, 2))
    message = r"LR \(1, 3, 4, 4\) enlarged by \(2, 2\) is not of the shape of HR \(1, 2, 8, 8\)"
    with pytest.raises(ValueError, match=message):
        Correctness()(hr, hr, given)


def test_arguments_are_checked():
    cases = [
        ({"distance": "l1"}, "distance is 'l1'; it must be one of normalised, absolute"),
        ({"quantile": 1}, "quantile is 1; give a share"),
        ({"temperature": 0}, r"softness is 0\.05 and temperature 0; give more than 0"),
    ]
    for changed, message in cases:
        with pytest.raises(ValueError, match=message):
            Correctness(**changed)
