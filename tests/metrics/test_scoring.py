import pytest
import torch
from metric_checks import random, scoring
from skimage.metrics import peak_signal_noise_ratio

from srlab.metrics import ERGAS, MAE, PSNR, Benchmark, means, remarks, scores

METRICS = {"psnr": PSNR(), "psnr_y": Benchmark(metric=PSNR()), "mae": MAE(), "ergas": ERGAS()}
LEVELS = 255.0


def test_values_have_the_names_of_their_metrics_and_parts():
    sr, hr = random(2, 2, 4, 4), random(2, 2, 4, 4, seed=1)
    given = scoring(channel_names=("red", "nir"))
    found = scores({"psnr": PSNR(), "mae": MAE(per_band=True)}, sr, hr, given)
    assert list(found) == ["psnr", "mae", "mae_red", "mae_nir"]
    assert torch.equal(found["psnr"], PSNR()(sr, hr, given))
    assert torch.equal(found["mae_nir"], MAE(per_band=True)(sr, hr, given)["nir"])


def of_images(pairs):
    """The values of pairs of images, which may differ in anything but their number of channels."""
    given = [scores(METRICS, sr, hr, scoring(data_range=LEVELS)) for sr, hr in pairs]
    return {name: torch.cat([found[name] for found in given]) for name in METRICS}


def photograph(seed):
    """SR and HR of 8-bit colours, with an error of some levels."""
    hr = (LEVELS * random(1, 3, 24, 24, seed=seed)).round()
    return hr + 20 * random(1, 3, 24, 24, seed=seed + 100), hr


BLACK = (torch.zeros(1, 3, 24, 24), torch.zeros(1, 3, 24, 24))


def test_without_an_exact_image_a_score_is_the_mean_of_the_images():
    table = of_images([photograph(1), photograph(2), photograph(3)])
    found = means(METRICS, {"model": table})["model"]
    for name, values in table.items():
        assert found[name].item() == pytest.approx(values.mean().item())
    assert remarks(METRICS, table) == []


def test_psnr_with_an_exact_image_is_that_of_all_images_as_one():
    pairs = [photograph(1), BLACK, photograph(2)]
    table = of_images(pairs)
    found = means(METRICS, {"model": table})["model"]
    sr, hr = (torch.cat(images, dim=3).numpy() for images in zip(*pairs, strict=True))
    expected = peak_signal_noise_ratio(hr, sr, data_range=LEVELS)
    assert found["psnr"].item() == pytest.approx(expected, abs=1e-4)
    assert found["psnr_y"].isfinite()
    assert found["mae"].item() == pytest.approx(table["mae"].mean().item())
    assert remarks(METRICS, table)[0] == (
        "psnr: 1 of 3 exact, so scores are of the mean squared error of all"
    )


def test_methods_are_compared_alike_where_an_image_is_exact_by_one_of_them():
    exact, near = of_images([photograph(1), BLACK]), of_images([photograph(1), BLACK])
    near["psnr"][1] = 140.0  # an error that nobody sees
    found = means(METRICS, {"model": near, "bicubic": exact})
    assert found["model"]["psnr"].item() == pytest.approx(found["bicubic"]["psnr"].item(), abs=1e-3)
    assert means(METRICS, {"model": near})["model"]["psnr"] > found["model"]["psnr"] + 10


def test_psnr_is_infinite_only_where_all_images_are_exact():
    assert means(METRICS, {"model": of_images([BLACK, BLACK])})["model"]["psnr"] == torch.inf


@pytest.mark.parametrize("level", [0.0, 1e-3], ids=["black", "nearly black"])
def test_a_ratio_to_nothing_does_not_rule_the_mean(level):
    dark = (torch.full((1, 3, 24, 24), 0.5), torch.full((1, 3, 24, 24), level))
    table = of_images([photograph(1), dark, photograph(2)])
    whole = of_images([photograph(1), photograph(2)])
    found = means(METRICS, {"model": table})["model"]
    assert found["ergas"].item() == pytest.approx(whole["ergas"].mean().item())
    assert "ergas: 1 of 3 have no value and are left out" in remarks(METRICS, table)


def test_a_broken_image_has_no_score_and_is_counted():
    sr, hr = photograph(3)
    sr[0, 0, 0, 0] = torch.inf
    table = of_images([photograph(1), (sr, hr), BLACK])
    assert means(METRICS, {"model": table})["model"]["mae"].isfinite()
    assert means(METRICS, {"model": table})["model"]["psnr"].isfinite()
    assert "mae: 1 of 3 have no value and are left out" in remarks(METRICS, table)
