"""Outputs of real files, opened by the libraries of their fields, and verified by a third party."""

import os
from fractions import Fraction

import av
import nibabel
import numpy as np
import pytest
import rasterio
import tifffile
import zarr
from clips import clip
from conftest import Outcome

from srlab.generators import Interpolation
from srlab.io import open_reader
from srlab.models.card import ModelCard
from srlab.models.super_resolver import SuperResolver
from srlab.normalisers import Identity

FORCED = "force=[band_names,dtype,pixel_size,value_range]"


@pytest.fixture
def made(command, tmp_path):
    """A function that enlarges a file by cubic interpolation, and has the output verified."""

    def make(source, output, scale, *arguments, bands=None):
        model(tmp_path / "model.safetensors", source, scale, bands)
        given = ["model=model.safetensors", f"input={source}", f"output={output}"]
        assert command("predict", *given, "tile=64", FORCED, *arguments) == Outcome(0, "")
        assert command("verify", *given, "blocks=2") == Outcome(0, "")
        return tmp_path / output

    return make


def model(path, source, scale, bands):
    described = open_reader(source, bands=bands).description
    count, dims = len(described.channels), len(scale)
    recipe = {"in_channels": count, "scale": scale, "spatial_dims": dims, "kind": "cubic"}
    card = ModelCard(
        generator={"_target_": "srlab.generators.Interpolation", **recipe},
        normaliser={"_target_": "srlab.normalisers.Identity"},
        scale=scale,
        bands=tuple(bands or range(1, count + 1)),
        input_names=described.names,
        output_names=described.names,
        unit="unit",
        training_range=((0.0, 1.0),) * count,
        axes=described.axes[-dims:],
        versions={},
    )
    SuperResolver(generator=Interpolation(**recipe), normaliser=Identity(), card=card).save(path)


@pytest.mark.parametrize(
    ("name", "bands", "arguments"),
    [
        ("satellite/s2_ftw_8band_10m_uint16_utm33.tif", [1, 2], []),
        ("satellite/s2_ftw_8band_10m_uint16_utm33.tif", [3], ["layout=cog"]),
        ("satellite/safe_layout_noise/*.SAFE", ["B05", "B11"], []),
    ],
)
def test_a_scene_covers_the_same_ground(made, shared_data, name, bands, arguments):
    source = shared_data(name.partition("/*")[0])
    if "*" in name:
        (source,) = source.glob("*.SAFE")
    path = made(source, "out.tif", (2, 2), *arguments, bands=bands)
    before = open_reader(source, bands=bands).description
    with rasterio.open(path) as file:
        assert file.shape == tuple(2 * size for size in before.shape)
        assert file.dtypes == ("uint16",) * len(bands)
        assert file.crs == before.geometry.crs
        assert file.transform.almost_equals(before.geometry.transform @ rasterio.Affine.scale(0.5))
        assert bool(file.overviews(1)) == ("layout=cog" in arguments)


def test_an_oblique_series_keeps_its_corners(command, made, shared_data):
    source = shared_data("medical/nibabel_example4d.nii.gz")
    path = made(source, "out.nii.gz", (2, 2, 2))
    before, after = nibabel.load(source), nibabel.load(path)
    assert after.shape == (*(2 * size for size in before.shape[:3]), before.shape[3])
    corners = np.array([[-0.5, -0.5, -0.5, 1], [*(size - 0.5 for size in before.shape[:3]), 1]])
    finer = np.array([[-0.5, -0.5, -0.5, 1], [*(size - 0.5 for size in after.shape[:3]), 1]])
    np.testing.assert_allclose(finer @ after.affine.T, corners @ before.affine.T, atol=1e-3)

    moved = after.affine.copy()
    moved[0, 3] += 0.5
    header = after.header.copy()
    header.set_sform(moved, 1)
    header.set_qform(moved, 1)
    nibabel.save(nibabel.Nifti1Image(np.asanyarray(after.dataobj), moved, header), path)
    given = (f"input={source}", "model=model.safetensors", "output=out.nii.gz")
    assert "another place than its input" in command("verify", *given).error


@pytest.mark.parametrize("name", ["out.ome.tif", "out.ome.zarr"])
def test_a_stack_keeps_its_planes_and_the_size_of_its_field(made, shared_data, name):
    source = shared_data("microscopy/imagexpress_C2Z10.ome.tif")
    path = made(source, name, (2, 2))
    before = open_reader(source).description
    after = open_reader(path).description
    assert after.names == before.names
    fields = [[a.spacing * n for a, n in zip(each.axes, each.shape, strict=True) if a.name in "yx"]
              for each in (before, after)]  # fmt: skip
    np.testing.assert_allclose(fields[0], fields[1])
    if name.endswith(".tif"):
        with tifffile.TiffFile(path) as file:
            assert (file.series[0].axes, file.series[0].shape) == ("CZYX", (2, 10, 1024, 1024))
    else:
        assert zarr.open(path, mode="r")["0"].shape[-3:] == (10, 1024, 1024)


@pytest.mark.parametrize("name", ["out.mkv", "out.mp4", "out.frames"])
def test_a_clip_keeps_its_times(made, tmp_path, name):
    times = [0, 3, 7, 8, 20, 21]
    clip(tmp_path / "in.mp4", frames=moving(6), times=times, tick=Fraction(1, 90))
    options = ["codec=ffv1"] if name == "out.mkv" else []
    path = made(tmp_path / "in.mp4", name, (2, 2), *options)
    if name == "out.frames":
        assert len([each for each in os.listdir(path) if each.endswith(".png")]) == 6
        return
    with av.open(str(path)) as container:
        shown = [frame.time for frame in container.decode(video=0)]
    np.testing.assert_allclose(shown, np.array(times) / 90, atol=6e-4)


def moving(count):
    """Smooth frames, of which a codec loses little."""
    ramp = np.add.outer(np.arange(48), np.arange(64))[..., None] + np.array([0, 20, 40])
    return np.stack([ramp + 10 * number for number in range(count)]).astype(np.uint8)
