import torch
from metric_checks import random, scoring

from srlab.metrics import MAE, PSNR, scores


def test_values_have_the_names_of_their_metrics_and_parts():
    sr, hr = random(2, 2, 4, 4), random(2, 2, 4, 4, seed=1)
    given = scoring(channel_names=("red", "nir"))
    found = scores({"psnr": PSNR(), "mae": MAE(per_band=True)}, sr, hr, given)
    assert list(found) == ["psnr", "mae", "mae_red", "mae_nir"]
    assert torch.equal(found["psnr"], PSNR()(sr, hr, given))
    assert torch.equal(found["mae_nir"], MAE(per_band=True)(sr, hr, given)["nir"])
