import nibabel
import numpy as np
import pytest
import torch

from srlab.data import ThickFolder
from srlab.data.splits import WholeFiles
from srlab.degradations import Area
from srlab.mistakes import Mistake

STEPS = {"x": 1.0, "y": 100.0, "z": 10_000.0}


def saved(path, thick="z"):
    """Save a volume whose value tells its place, with voxels of 3 mm along one axis."""
    shape = tuple(8 if name == thick else 40 for name in "xyz")
    spacings = [3.0 if name == thick else 1.0 for name in "xyz"]
    values = np.tensordot([*STEPS.values()], np.indices(shape), axes=1).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(values, np.diag([*spacings, 1.0])), path)
    return str(path)


def source(root, **changed):
    settings = {
        "suffixes": [".nii"],
        "bands": [1],
        "across": "z",
        "scale": [3, 1],
        "spatial_dims": 2,
        "crop_size": 12,
        "weighting": "none",
        "symmetries": ["flips", "quarter_turns"],
        "split": WholeFiles(fraction=0.25),
        "validation_size": 12,
        "validation_views": 4,
        "test_size": None,
        "unit": "signal",
        "data_range": 1.0,
        "broken_share": 0.0,
        "cache": None,
        "seed": 0,
        "force": [],
    } | changed
    return ThickFolder(root=root, degradation=Area(scale=[3, 1]), **settings)


@pytest.mark.parametrize(("across", "plane"), [("z", "yx"), ("y", "zx"), ("x", "zy")])
def test_slices_are_degraded_along_either_axis_of_their_plane(tmp_path, across, plane):
    pairs = source(saved(tmp_path / "a.nii", across), across=across)
    assert [axis.name for axis in pairs.axes] == [*plane]
    degraded = set()
    for position in range(30):
        sample = pairs.training[position]
        mean = torch.nn.functional.avg_pool2d(sample["hr"], (3, 1))
        torch.testing.assert_close(sample["lr"], mean)
        steps = {abs(float(step)) for step in sample["hr"].diff(dim=1).unique()}
        assert len(steps) == 1
        degraded |= steps
    assert degraded == {STEPS[name] for name in plane}


def test_without_turns_one_axis_is_degraded(tmp_path):
    pairs = source(saved(tmp_path / "a.nii"), symmetries=["flips"])
    steps = [pairs.training[position]["hr"].diff(dim=1).abs().unique() for position in range(20)]
    assert {float(step) for step in steps} == {STEPS["y"]}


def test_slices_that_do_not_fit_the_scale_are_refused(tmp_path):
    cases = [
        ({"scale": [4, 1]}, r"3 times as far apart .* and 4 times is wanted; set scale=\[3,1\]"),
        ({"across": "y"}, r"slices of .* along y are 0.333 times"),
        ({"scale": 3}, r"scale is \(3, 3\) .* set spatial_dims=2 and scale=\[3,1\]"),
        ({"scale": [3, 1, 1], "spatial_dims": 3}, "with spatial_dims=3; slices are made thinner"),
    ]
    for changed, message in cases:
        with pytest.raises(Mistake, match=message):
            source(saved(tmp_path / "a.nii"), **changed)
