"""Microscopy from stacks to stacks of the right sizes, names and colours."""

import numpy as np
import pytest
from conftest import Outcome
from tifffile import TiffFile, imwrite, xml2dict

SMALL = [
    *("generator.channels=4", "generator.blocks=1", "trainer.max_steps=2", "metric=[psnr]"),
    *("loader.batch_size=2", "loader.num_workers=0", "trainer.val_check_interval=2"),
    "hydra.run.dir=run",
]
AXIAL = [
    *("experiment=microscopy_axial", "data.root=a.ome.tif", "degradation.pixel_size=0.5"),
    *("data.validation_size=16", "crop_size=12", *SMALL),
]


def save(path, spacing):
    """Save a time series of two channels, `spacing` µm from plane to plane, of pixels of 0.5 µm."""
    about = {
        "axes": "TZCYX",
        "TimeIncrement": 1.5,
        "TimeIncrementUnit": "s",
        "Channel": {"Name": ["DAPI", "GFP"], "Color": [65535, -16776961]},
    }
    for axis, size in {"X": 0.5, "Y": 0.5, "Z": spacing}.items():
        about |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "µm"}
    values = np.random.default_rng(0).integers(90, 4000, (2, 5, 2, 32, 28))
    imwrite(path, values.astype(np.uint16), metadata=about)


def told(path):
    """Return the sizes of a file, and what its OME-XML says of pixels and channels."""
    with TiffFile(path) as file:
        sizes = dict(zip(file.series[0].axes, file.series[0].shape, strict=True))
        return sizes, xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]


def test_planes_teach_z_of_a_time_series_of_two_channels(command, tmp_path, capsys):
    save(tmp_path / "a.ome.tif", 1.8)
    assert command("train", *AXIAL, "data.bands=[DAPI,GFP]") == Outcome(0, "")
    rounded = "lie 3.6 pixels apart: 4 times as many along z lie 0.45 µm apart, and pixels 0.5 µm"
    assert rounded in capsys.readouterr().out
    given = ["model=run/model.safetensors", "input=a.ome.tif", "output=sr.ome.tif"]
    assert command("predict", *given) == Outcome(0, "")
    (sizes, before), (finer, after) = told(tmp_path / "a.ome.tif"), told(tmp_path / "sr.ome.tif")
    assert finer == sizes | {"Z": 4 * sizes["Z"]}
    assert after["PhysicalSizeZ"] == pytest.approx(1.8 / 4)
    for key in ("PhysicalSizeX", "PhysicalSizeY", "PhysicalSizeZUnit", "TimeIncrement"):
        assert after[key] == before[key]
    for channel, wanted in zip(after["Channel"], before["Channel"], strict=True):
        assert (channel["Name"], channel["Color"]) == (wanted["Name"], wanted["Color"])


def test_planes_of_another_distance_than_the_scale_are_refused(command, tmp_path):
    save(tmp_path / "a.ome.tif", 1.5)
    outcome = command("train", *AXIAL)
    assert "along z are 3 times as far apart as the pixels along y, and 4" in outcome.error
    assert "set scale=[3,1]" in outcome.error
