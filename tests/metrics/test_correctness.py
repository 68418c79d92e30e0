import numpy as np
import pytest
import torch

from srlab.degradations import Bicubic
from srlab.metrics.correctness import Correctness
from srlab.metrics.protocol import View
from srlab.nn.resample import enlarge

SHARES = ("improvement", "omission", "hallucination")
BOTH = pytest.mark.parametrize("distance", ["normalised", "absolute"])

# What opensr-test 1.3.3 returns for `formula_images`, without histogram matching, alignment and border.
OWN = {"quantile": 0.25, "softness": 0.4, "temperature": 0.5}
PUBLISHED = {
    ("normalised", "default"): [[0.33034, 0.60368, 0.06598], [0.32381, 0.61228, 0.06391]],
    ("normalised", "own"): [[0.33990, 0.43693, 0.22317], [0.33892, 0.44248, 0.21860]],
    ("absolute", "default"): [[0.38940, 0.54981, 0.06078], [0.39733, 0.54249, 0.06018]],
    ("absolute", "own"): [[0.35256, 0.42800, 0.21943], [0.35244, 0.43202, 0.21554]],
}


def random(*size, seed=0):
    return 0.1 + torch.rand(
        size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def formula_images():
    """LR ``(2, 3, 8, 8)``, SR and HR ``(2, 3, 32, 32)``, all positive."""
    y, x = np.mgrid[:32, :32]
    waves = [
        [
            0.5
            + 0.3 * np.sin(0.9 * x + n + c) * np.cos(0.7 * y - c)
            + 0.1 * np.sin(2.1 * x * (n + 1))
            for c in range(3)
        ]
        for n in range(2)
    ]
    hr = torch.from_numpy(np.array(waves))
    lr = hr.unflatten(3, (8, 4)).mean(4).unflatten(2, (8, 4)).mean(3)
    sr = 0.4 * hr + 0.6 * lr.repeat_interleave(4, 2).repeat_interleave(4, 3)
    sr += torch.from_numpy(0.05 * np.cos(1.7 * x + 2.3 * y))
    return lr, sr, hr


def view(lr, scale, valid=None):
    degrade = Bicubic(scale=scale, spatial_dims=len(scale))
    return View(
        lr=lr,
        valid=valid,
        scale=scale,
        data_range=1.0,
        channels=(),
        pixel_size=None,
        degrade=degrade,
    )


def by_loops(sr, hr, known, *, distance, quantile=0.75, softness=0.05, temperature=0.25):
    """The published equations, pixel by pixel, for images ``(C, N)``."""

    def between(a, b):
        norm = abs(a) + abs(b) if distance == "normalised" else np.ones_like(a)
        errors = [e / n if e else 0 for e, n in zip(abs(a - b), norm, strict=True)]
        return sum(errors) / len(errors)

    triples = [
        (
            between(known[:, n], hr[:, n]),
            between(sr[:, n], hr[:, n]),
            between(sr[:, n], known[:, n]),
        )
        for n in range(sr.shape[1])
    ]
    threshold = sorted(triple[0] for triple in triples)[int(quantile * len(triples)) - 1]
    shares = []
    for r, i, o in triples:
        if max(r, i, o) > threshold:
            i, o = i / r, o / r
            stay = 1 - np.exp(-softness * (i + o - 1))
            closeness = np.exp(
                -np.array([i + o * stay, o + i * stay, np.exp(-softness * i * o)]) / temperature
            )
            shares.append(closeness / closeness.sum())
    return np.mean(shares, axis=0)


@pytest.mark.parametrize(("distance", "settings"), PUBLISHED)
def test_matches_the_authors_package(distance, settings):
    lr, sr, hr = formula_images()
    result = Correctness(distance=distance, **(OWN if settings == "own" else {}))(
        sr, hr, view(lr, (4, 4))
    )
    found = torch.stack([result[share] for share in SHARES], 1)
    np.testing.assert_allclose(found, PUBLISHED[distance, settings], atol=2e-5)


@BOTH
def test_matches_the_authors_package_where_it_is_installed(distance):
    opensr_test = pytest.importorskip("opensr_test")
    sr, hr, lr = random(1, 4, 32, 32), random(1, 4, 32, 32, seed=1), random(1, 4, 16, 16, seed=2)
    result = Correctness(distance=distance)(sr, hr, view(lr, (2, 2)))
    theirs = opensr_test.Metrics(
        correctness_distance={"normalised": "nd", "absolute": "l1"}[distance],
        harm_apply_spectral=False,
        harm_apply_spatial=False,
        border_mask=0,
    ).correctness(lr=lr[0], sr=sr[0], hr=hr[0], gradient_threshold="auto")
    for share, key in zip(SHARES, ("im_metric", "om_metric", "ha_metric"), strict=True):
        assert result[share].item() == pytest.approx(theirs[key], abs=1e-4)


@BOTH
@pytest.mark.parametrize(("size", "scale"), [((8, 12), (2, 4)), ((4, 8, 6), (1, 2, 3))])
@pytest.mark.parametrize("quantile", [0.75, 0.1])
@pytest.mark.parametrize("lowest", [0.1, -0.4])
def test_matches_loops(size, scale, distance, quantile, lowest):
    small = tuple(n // s for n, s in zip(size, scale, strict=True))
    sr, hr, lr = (
        random(2, 3, *n, seed=seed) - 0.1 + lowest for seed, n in enumerate((size, size, small))
    )
    for image in (sr, hr, lr):
        image[:, 1] = 0  # a channel without a value
    settings = {"distance": distance, "quantile": quantile, "softness": 0.1, "temperature": 0.5}
    result = Correctness(**settings)(sr, hr, view(lr, scale))
    known = enlarge(lr, scale, "linear")
    for n in range(2):
        flat = (image[n].flatten(1).numpy() for image in (sr, hr, known))
        np.testing.assert_allclose(
            [result[share][n] for share in SHARES], by_loops(*flat, **settings)
        )


@BOTH
def test_truth_improves_enlarging_omits_and_invention_hallucinates(distance):
    hr = random(1, 3, 32, 32)
    lr = Bicubic(scale=4)(hr)
    images = {
        "improvement": hr,
        "omission": enlarge(lr, 4, "linear"),
        "hallucination": 10 * random(1, 3, 32, 32, seed=5),
    }
    for share, sr in images.items():
        result = Correctness(distance=distance)(sr, hr, view(lr, (4, 4)))
        assert max(result, key=lambda name: result[name].item()) == share
        assert sum(result.values()).item() == pytest.approx(1)
    # r = o and i = 0: distances 0, 1, 1
    result = Correctness(distance=distance)(hr, hr, view(lr, (4, 4)))
    assert result["improvement"].item() == pytest.approx(1 / (1 + 2 * np.exp(-4)))


@BOTH
def test_unit_does_not_count(distance):
    lr, sr, hr = formula_images()
    results = [
        Correctness(distance=distance)(k * sr, k * hr, view(k * lr, (4, 4))) for k in (1, 10_000)
    ]
    for share in SHARES:
        torch.testing.assert_close(*(result[share] for result in results))


@BOTH
def test_hidden_pixels_never_influence(distance):
    sr, hr, lr = random(2, 2, 16, 16), random(2, 2, 16, 16, seed=1), random(2, 2, 8, 8, seed=2)
    valid = torch.ones(2, 1, 16, 16, dtype=torch.bool)
    valid[:, :, 3:9, 5:16] = False
    known = enlarge(lr, 2, "linear")
    for ours, theirs in ((0.0, 0.0), (1e4, torch.nan)):
        result = Correctness(distance=distance)(
            torch.where(valid, sr, ours), torch.where(valid, hr, theirs), view(lr, (2, 2), valid)
        )
        for n in range(2):
            flat = (image[n][:, valid[n, 0]].numpy() for image in (sr, hr, known))
            np.testing.assert_allclose(
                [result[share][n] for share in SHARES], by_loops(*flat, distance=distance)
            )


@BOTH
def test_image_without_pixels_or_change_is_nan(distance):
    lr = random(3, 2, 8, 8).float()
    sr = enlarge(lr, 2, "linear")
    hr, valid = sr.clone(), torch.ones(3, 1, 16, 16, dtype=torch.bool)
    hr[1:] += random(2, 2, 16, 16, seed=1)
    valid[1] = False
    result = Correctness(distance=distance)(sr, hr, view(lr, (2, 2), valid))
    for share in SHARES:
        assert result[share].isnan().tolist() == [True, True, False]


@BOTH
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_finite_where_lr_is_right_already_or_values_are_zero_or_negative(distance, dtype):
    hr = random(1, 2, 8, 8).to(dtype) - 0.5
    hr[..., 0] = 0
    sr = hr.clone()
    sr[..., 3, 3] = 7
    sr[..., 5] *= -1
    sr[..., 0, 0] = 1e-30
    result = Correctness(distance=distance, quantile=0.0)(sr, hr, view(hr[..., ::2, ::2], (2, 2)))
    assert all(value.isfinite().all() for value in result.values())
    known = Correctness(distance=distance)(sr, hr, view(hr, (1, 1)))
    assert known["hallucination"].item() == 1


def test_other_channels_in_lr_are_an_error():
    with pytest.raises(
        ValueError,
        match=r"LR \(1, 3, 4, 4\) enlarged by \(2, 2\) is not of the shape of HR \(1, 2, 8, 8\)",
    ):
        Correctness()(random(1, 2, 8, 8), random(1, 2, 8, 8), view(random(1, 3, 4, 4), (2, 2)))


def test_arguments_are_checked():
    with pytest.raises(
        ValueError, match="distance is 'l1'; it must be one of normalised, absolute"
    ):
        Correctness(distance="l1")
    with pytest.raises(ValueError, match="quantile is 1; give a share"):
        Correctness(quantile=1)
    with pytest.raises(ValueError, match=r"softness is 0\.05 and temperature 0; give more than 0"):
        Correctness(temperature=0)
