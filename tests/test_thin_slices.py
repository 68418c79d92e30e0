"""Models that learnt from thick slices, scored by thin ones."""

import csv

import nibabel
import numpy as np
import pytest
import torch
from conftest import Outcome
from model_examples import card
from skimage.filters import threshold_otsu
from skimage.metrics import peak_signal_noise_ratio

from srlab.generators import Residual
from srlab.io import Axis
from srlab.models.super_resolver import SuperResolver
from srlab.nn.resample import enlarge
from srlab.normalisers import Identity


def across_slices():
    """A model with random weights of the planes across slices, three for each."""
    torch.manual_seed(0)
    sizes = {"in_channels": 1, "out_channels": 1, "channels": 4, "blocks": 1}
    network = {"scale": [3, 1], "spatial_dims": 2, **sizes}
    generator = Residual(**network)
    for parameter in generator.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    box = {"scale": [3, 1], "profile": "box", "gap": 0.0}
    described = card(
        generator={"_target_": "srlab.generators.Residual", **network},
        normaliser={"_target_": "srlab.normalisers.Identity"},
        scale=(3, 1),
        bands=(1,),
        input_names=("1",),
        output_names=("1",),
        training_range=((0.0, 1.0),),
        across="z",
        degradation={"_target_": "srlab.degradations.ThickSlices", **box},
        axes=(Axis("y"), Axis("x")),
    )
    return SuperResolver(generator=generator, normaliser=Identity(), card=described).eval()


@pytest.mark.parametrize("chosen", [[], ["degradation=thick_slices_box"]], ids=len)
def test_model_of_thick_slices_is_scored_against_a_thin_volume(command, tmp_path, chosen):
    """Means of three slices through the planes of both ways, beside cubic interpolation."""
    thin = np.random.default_rng(0).random((12, 14, 15), np.float32)  # z, y, x
    nibabel.save(nibabel.Nifti1Image(thin.T, np.eye(4)), tmp_path / "thin.nii")
    model = across_slices()
    model.save(tmp_path / "model.safetensors")
    given = ["model=model.safetensors", "data=medical_mri", "data.root=thin.nii"]
    given += ["data.data_range=1.0", "output=scores", "metric=[psnr,psnr_foreground]"]
    assert command("evaluate", *given, *chosen) == Outcome(0, "")
    thick = torch.from_numpy(thin.reshape(4, 3, 14, 15).mean(axis=1))
    over_y = [model(thick[None, None, :, row])[0, 0] for row in range(14)]
    over_x = [model(thick[None, None, :, :, column])[0, 0] for column in range(15)]
    sr = (torch.stack(over_y, dim=1) + torch.stack(over_x, dim=2)).numpy() / 2
    with (tmp_path / "scores" / "scores.csv").open() as file:
        (row,) = csv.DictReader(file)
    shown = thin > threshold_otsu(thin)
    for name, pixels in {"psnr": np.ones_like(shown), "psnr_foreground": shown}.items():
        expected = peak_signal_noise_ratio(thin[pixels], sr[pixels], data_range=1)
        assert float(row[f"{name}_model"]) == pytest.approx(expected, abs=0.05)
    nibabel.save(nibabel.Nifti1Image(thin.T, np.diag([1, 1, 3, 1])), tmp_path / "thick.nii")
    error = command("evaluate", *given[:2], "data.root=thick.nii").error
    assert "along z are 3 times as far apart as the pixels along y, and 1 times is wanted" in error
    bicubic = enlarge(thick[None, None], (3, 1, 1))[0, 0].numpy()
    expected = peak_signal_noise_ratio(thin, bicubic, data_range=1)
    assert float(row["psnr_bicubic"]) == pytest.approx(expected, abs=1e-3)
