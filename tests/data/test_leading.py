import nibabel
import numpy as np
import pytest
import torch

from srlab.data import Folder, PairedFolder
from srlab.data.splits import WholeFiles
from srlab.degradations import Area
from srlab.io import Axis
from srlab.mistakes import Mistake


def saved(path, shape=(40, 36, 12)):
    """Save a volume or a series whose value tells its place ``(i, j, k)`` and time."""
    i, j, k, *t = np.indices(shape)
    values = (i + 100 * j + 10_000 * k + 1e6 * sum(t)).astype(np.float32)
    path.parent.mkdir(exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, np.diag([1.0, 1.0, 3.0, 1.0])), path)
    return path


COMMON = {
    "suffixes": [".nii", ".nii.gz"],
    "bands": [1],
    "scale": 2,
    "crop_size": 16,
    "valid_share": 0.0,
    "weighting": "none",
    "symmetries": ["flips", "quarter_turns"],
    "mask": None,
    "hidden_classes": [],
    "channel_dropout": 0.0,
    "intensity_jitter": 0.0,
    "split": WholeFiles(fraction=0.25),
    "validation_size": 16,
    "validation_views": None,
    "test_size": None,
    "unit": "signal",
    "data_range": 1.0,
    "seed": 0,
}


def folder(root, *, spatial_dims=2):
    area = Area(scale=2, spatial_dims=spatial_dims)
    return Folder(root=str(root), spatial_dims=spatial_dims, degradation=area, **COMMON)


def test_pairs_of_slices_are_degraded_in_their_plane(tmp_path):
    source = folder(saved(tmp_path / "a.nii.gz"))
    slices = set()
    for position in range(40):
        sample = source.training[position]
        assert sample["hr"].shape == (1, 16, 16)
        pooled = torch.nn.functional.avg_pool2d(sample["hr"], 2)
        torch.testing.assert_close(sample["lr"], pooled)
        places = (sample["hr"] // 10_000).unique()
        assert len(places) == 1
        slices.add(int(places))
    assert len(slices) > 6
    assert source.axes == (Axis("y", 1.0, "mm"), Axis("x", 1.0, "mm"))


def test_test_covers_every_slice_whole(tmp_path):
    views = folder(saved(tmp_path / "a.nii")).test
    assert len(views) == 12
    assert [int(view["hr"][0, 0, 0] // 10_000) for view in views] == [*range(12)]
    assert views[0]["hr"].shape == (1, 36, 40)


def test_volumes_of_a_series_are_pairs_of_volumes(tmp_path):
    source = folder(saved(tmp_path / "a.nii", (40, 36, 20, 4)), spatial_dims=3)
    sample = source.training[0]
    assert sample["hr"].shape == (1, 16, 16, 16)
    assert sample["lr"].shape == (1, 8, 8, 8)
    assert {int(source.training[at]["hr"].max() // 1e6) for at in range(30)} == {0, 1, 2, 3}


def test_measured_slices_are_of_one_place(tmp_path):
    for name in ("a", "b"):
        saved(tmp_path / "hr" / f"{name}.nii")
        saved(tmp_path / "lr" / f"{name}.nii", (20, 18, 12))
    roots = {"root": str(tmp_path / "hr"), "lr_root": str(tmp_path / "lr")}
    names = {"lr_name": "{name}", "hr_name": "{name}"}
    settings = COMMON | {"force": ["pixel_size"], "symmetries": []}
    source = PairedFolder(**roots, **names, **settings, spatial_dims=2)
    sample = source.training[3]
    assert sample["lr"].shape == (1, 8, 8)
    lr, hr = sample["lr"][0, 0, 0], sample["hr"][0, 0, 0]
    assert lr // 10_000 == hr // 10_000
    assert (lr % 100) * 2 == hr % 100
    assert (lr // 100 % 100) * 2 == hr // 100 % 100


def test_files_of_other_axes_are_refused(tmp_path):
    for name, shape in {"a": (40, 36, 12), "b": (40, 36, 12), "c": (40, 36, 12, 2)}.items():
        saved(tmp_path / f"{name}.nii", shape)
    with pytest.raises(Mistake, match="has the axes t, z, y, x and most of the files have z, y, x"):
        folder(tmp_path)
