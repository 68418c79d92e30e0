"""MRI from volumes to a volume, whatever the unit of its signal."""

import nibabel
import numpy as np
from conftest import Outcome
from scipy.ndimage import gaussian_filter

SMALL = [
    *("generator=residual_small", "generator.channels=4", "generator.blocks=1"),
    *("loader.batch_size=2", "loader.num_workers=0", "trainer.max_steps=3"),
    *("metric=[psnr]", "trainer.val_check_interval=3", "hydra.run.dir=run"),
]
OBLIQUE = np.array([[0.9, 0.1, 0, -40], [-0.1, 0.9, 0.2, -60], [0, -0.2, 2.7, -30], [0, 0, 0, 1]])


def save(path, values, affine=OBLIQUE):
    nibabel.save(nibabel.Nifti1Image(values.astype(np.float32), affine), path)


def test_signal_of_another_gain_gives_the_same_picture_on_the_same_ground(command, tmp_path):
    noise = np.random.default_rng(0).normal(size=(30, 28, 27))
    volume = 900 * np.maximum(gaussian_filter(noise, 2), 0)
    for name, gain in {"a": 1.0, "b": 37.5}.items():
        save(tmp_path / f"{name}.nii.gz", gain * volume)
    recipe = ["experiment=mri_thick_slices", "data.root=a.nii.gz", "crop_size=15"]
    assert command("train", *recipe, *SMALL) == Outcome(0, "")
    for name in "ab":
        run = ["model=run/model.safetensors", f"input={name}.nii.gz", f"output=sr_{name}.nii.gz"]
        assert command("predict", *run) == Outcome(0, "")
    first, second = (nibabel.load(tmp_path / f"sr_{name}.nii.gz") for name in "ab")
    assert first.shape == (30, 28, 81)
    values = first.get_fdata()
    np.testing.assert_allclose(second.get_fdata() / 37.5, values, atol=1e-5 * values.max())
    before, after = (nibabel.load(tmp_path / f"{name}.nii.gz") for name in ("a", "sr_a"))
    for corner in (np.zeros(3), np.ones(3)):
        places = []
        for image in (before, after):
            voxel = corner * image.shape - 0.5
            places.append(nibabel.affines.apply_affine(image.affine, voxel))
        np.testing.assert_allclose(*places, atol=0.01)
