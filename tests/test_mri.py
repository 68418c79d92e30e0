"""MRI from volumes to a volume, whatever the unit of its signal and wherever it lies."""

import shutil

import nibabel
import numpy as np
import pytest
import SimpleITK
import torch
from conftest import Outcome
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from srlab.generators import Interpolation
from srlab.io import Axis
from srlab.models.card import ModelCard
from srlab.models.super_resolver import SuperResolver
from srlab.normalisers import Identity

SMALL = [
    *("generator=residual_small", "generator.channels=4", "generator.blocks=1"),
    *("loader.batch_size=2", "loader.num_workers=0", "trainer.max_steps=3"),
    *("metric=[psnr]", "trainer.val_check_interval=3", "hydra.run.dir=run"),
]
OBLIQUE = np.array([[0.9, 0.1, 0, -40], [-0.1, 0.9, 0.2, -60], [0, -0.2, 2.7, -30], [0, 0, 0, 1]])


def save(path, values, affine=OBLIQUE):
    path.parent.mkdir(exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values.astype(np.float32), affine), path)


def smooth(shape, *, seed=0):
    noise = np.random.default_rng(seed).normal(size=shape)
    return 900 * np.maximum(gaussian_filter(noise, 2), 0)


def test_signal_of_another_gain_gives_the_same_picture_on_the_same_ground(command, tmp_path):
    volume = smooth((30, 28, 27))
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


def test_volumes_train_at_twice_the_resolution_and_resume_exactly(command, tmp_path):
    for number in range(2):
        save(tmp_path / "BIDS" / f"sub-{number}_T1w.nii.gz", smooth((20, 18, 16), seed=number))
    source = ["data=medical_mri", "data.root=BIDS", "spatial_dims=3", "scale=2", "crop_size=12"]
    steps = ["discriminator=none", "trainer.max_steps=4", "trainer.val_check_interval=2"]
    given = [*source, *SMALL, *steps, "callbacks.checkpoints.keep=2", "logger=[csv]"]
    assert command("train", *given) == Outcome(0, "")
    checkpoints = tmp_path / "run" / "checkpoints"
    whole = torch.load(checkpoints / "last.ckpt", weights_only=True)
    states = {path: torch.load(path, weights_only=True) for path in checkpoints.glob("best*")}
    (halfway,) = (path for path, state in states.items() if state["global_step"] == 2)
    shutil.copy(halfway, checkpoints / "last.ckpt")
    (tmp_path / "run" / "status.json").unlink()
    assert command("train", "resume=last", "hydra.run.dir=run") == Outcome(0, "")
    again = torch.load(checkpoints / "last.ckpt", weights_only=True)
    torch.testing.assert_close(
        again["state_dict"], whole["state_dict"], rtol=0, atol=0, equal_nan=True
    )


TURNED = np.eye(4)
TURNED[:3, :3] = Rotation.from_euler("xyz", [31, -17, 68], degrees=True).as_matrix()
TURNED[:3, :3] *= [0.8, 1.1, 2.5]
TURNED[:3, 3] = 71, -104, 33
MIRRORED = TURNED @ np.diag([1, 1, -1, 1])
FORMS = {
    "oblique": (TURNED, {"sform": 1, "qform": 1}),
    "flipped": (np.diag([-0.8, 1.1, 2.5, 1]), {"sform": 2, "qform": 0}),
    "mirrored and oblique": (MIRRORED, {"sform": 1, "qform": 2}),
    "qform alone": (MIRRORED, {"sform": 0, "qform": 1}),
    "a series": (TURNED, {"sform": 1, "qform": 1}),
}


def landmarks(count):
    """Return ``(36, 14, 12, count)``: one spot of noise in each third along the first axis."""
    volume = np.zeros((36, 14, 12, count), np.float32)
    noise = np.random.default_rng(0).uniform(100, 900, (3, 4, 6, 4, count))
    for third in range(3):
        volume[12 * third + 4 : 12 * third + 8, 4:10, 4:8] = noise[third]
    return volume


def centroids(path):
    """The centroid of each spot in voxels, ``(volumes, 3, 3)``, by the voxels alone."""
    series = np.asanyarray(nibabel.load(path).dataobj)
    found = []
    for volume in np.moveaxis(series.reshape(*series.shape[:3], -1), -1, 0):
        length = len(volume) // 3
        for third in range(3):
            part = volume[third * length : (third + 1) * length].astype(float)
            grid = np.indices(part.shape).reshape(3, -1)
            found.append(grid @ part.ravel() / part.sum() + [third * length, 0, 0])
    return np.array(found)


def by_nibabel(path):
    return nibabel.affines.apply_affine(nibabel.load(path).affine, centroids(path))


def by_itk(path):
    image = SimpleITK.ReadImage(str(path))
    rest = [0.0] * (image.GetDimension() - 3)
    places = [
        image.TransformContinuousIndexToPhysicalPoint([*voxel, *rest])[:3]
        for voxel in centroids(path).tolist()
    ]
    return np.array(places) * [-1, -1, 1]  # ITK counts to the left and to the back


@pytest.fixture(scope="module")
def doubling(tmp_path_factory):
    """A model that interpolates volumes to twice the resolution, which keeps centroids."""
    recipe = {"in_channels": 1, "scale": 2, "spatial_dims": 3, "kind": "cubic"}
    card = ModelCard(
        generator={"_target_": "srlab.generators.Interpolation", **recipe},
        normaliser={"_target_": "srlab.normalisers.Identity"},
        scale=(2, 2, 2),
        bands=(1,),
        input_names=("1",),
        output_names=("1",),
        unit="signal",
        training_range=((0.0, 900.0),),
        axes=(Axis("z"), Axis("y"), Axis("x")),
        versions={},
    )
    path = tmp_path_factory.mktemp("doubling") / "model.safetensors"
    SuperResolver(generator=Interpolation(**recipe), normaliser=Identity(), card=card).save(path)
    return path


@pytest.mark.parametrize("name", FORMS)
def test_landmarks_stay_where_they_were(command, tmp_path, doubling, name):
    affine, codes = FORMS[name]
    values = landmarks(2 if name == "a series" else 1)
    image = nibabel.Nifti1Image(values.squeeze(), None)
    image.set_qform(affine, codes["qform"])
    image.set_sform(affine, codes["sform"])
    nibabel.save(image, tmp_path / "a.nii.gz")
    made = [f"model={doubling}", "input=a.nii.gz", "output=b.nii.gz"]
    assert command("predict", *made) == Outcome(0, "")
    before, after = tmp_path / "a.nii.gz", tmp_path / "b.nii.gz"
    assert nibabel.load(after).shape[:3] == (72, 28, 24)
    np.testing.assert_allclose(by_nibabel(after), by_nibabel(before), atol=0.01)
    np.testing.assert_allclose(by_itk(after), by_itk(before), atol=0.01)
    np.testing.assert_allclose(by_itk(after), by_nibabel(before), atol=0.01)


def test_a_real_series_lies_on_the_same_ground(command, tmp_path, doubling, shared_data):
    source = shared_data("medical/nibabel_example4d.nii.gz")
    made = [f"model={doubling}", f"input={source}", "output=b.nii.gz"]
    assert command("predict", *made) == Outcome(0, "")
    before, after = (nibabel.load(path) for path in (source, tmp_path / "b.nii.gz"))
    assert after.shape == (256, 192, 48, 2)
    assert after.get_data_dtype() == before.get_data_dtype()
    assert after.header.get_zooms() == (1, 1, pytest.approx(1.1), 2000)
    for form in ("get_sform", "get_qform"):
        corners = []
        for image in (before, after):
            affine, code = getattr(image, form)(coded=True)
            assert code == 1
            ends = np.array([(0, 0, 0), image.shape[:3]]) - 0.5
            corners.append(nibabel.affines.apply_affine(affine, ends))
        np.testing.assert_allclose(*corners, atol=0.01)
    middle = np.s_[40:80, 30:60, 8:16]
    coarse = before.get_fdata()[middle]
    fine = after.get_fdata()[80:160, 60:120, 16:32]
    blocks = fine.reshape(40, 2, 30, 2, 8, 2, 2).mean((1, 3, 5))
    for number in range(2):
        mean, voxel = blocks[..., number].ravel(), coarse[..., number].ravel()
        assert np.corrcoef(mean, voxel)[0, 1] > 0.99
