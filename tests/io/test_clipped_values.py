"""Values that are clipped: counted, reported and noted in the file."""

import logging
from html import unescape

import nibabel
import numpy as np
import pytest
import rasterio
import tifffile
import zarr
from hypothesis import given
from hypothesis import strategies as st

from srlab.io import Axis, Channel, Description, Provenance, create_writer
from srlab.io.clipping import Clipping
from srlab.io.stored import to_stored

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
BYTE = np.dtype("u1")
CHANNELS = Channel("a", dtype=BYTE), Channel("b", dtype=BYTE, scale=0.5, offset=-1.0)


@given(
    value=st.floats(-400, 400, width=32),
    scale=st.sampled_from([1.0, 0.5, -2.0]),
    offset=st.sampled_from([0.0, 3.0]),
    dtype=st.sampled_from(["u1", "i1"]),
)
def test_what_is_counted_is_what_changes_by_more_than_rounding(value, scale, offset, dtype):
    channel = Channel("a", dtype=np.dtype(dtype), scale=scale, offset=offset)
    clipping = Clipping([channel])
    array = np.full((1, 1, 1), value, np.float32)
    clipping.count(array)
    stored = to_stored(array, scale=scale, offset=offset, dtype=channel.dtype, nodata=None)
    change = abs(float(stored.item()) - (float(value) - offset) / scale)
    assert bool(clipping.tags) == (change > 0.5)


@pytest.mark.parametrize("name", ["a.tif", "a.zarr", "a.png"])
def test_clipped_values_are_reported_in_one_line_and_noted(tmp_path, caplog, name):
    channels = CHANNELS[:1] if name == "a.png" else CHANNELS
    shape = (20, 10)
    description = Description(shape, (Axis("y"), Axis("x")), channels)
    writer = create_writer(tmp_path / name, description, provenance=Provenance("srlab", "0" * 64))
    array = np.full((len(channels), *shape), 100, np.float32)
    array[0, 0, :3] = 300, -2, 255.4
    array[1:, 1, :1] = 127  # stored as 256
    writer.prepare()
    with caplog.at_level(logging.INFO, logger="srlab"):
        for rows in (slice(0, 10), slice(10, 20)):
            writer.write((rows, slice(0, 10)), array[:, rows])
        writer.finish()
    found = [record.getMessage() for record in caplog.records if "clipped" in record.getMessage()]
    expected, tag = "2 of a (1.00%), 1 of b (0.50%)", "a 2, b 1"
    if name == "a.png":
        expected, tag = "2 of a (1.00%)", "a 2"
    path = tmp_path / name
    assert found == [f"{path}: values beyond the range of uint8 were clipped: {expected}"]
    if name == "a.zarr":
        assert zarr.open(path, mode="r").attrs["CLIPPED_VALUES"] == tag
    else:
        with rasterio.open(path) as file:
            assert file.tags()["CLIPPED_VALUES"] == tag


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.ome.tif"])
def test_clipped_values_of_stacks_are_reported_and_noted(tmp_path, caplog, name):
    axes = (Axis("z"), Axis("y"), Axis("x"))
    channels = Channel("1", dtype=BYTE), Channel("2", dtype=BYTE)
    description = Description((2, 3, 5), axes, channels)
    path = tmp_path / name
    writer = create_writer(path, description, provenance=Provenance("srlab", "0" * 64))
    array = np.full((2, 2, 3, 5), 100, np.float32)
    array[0, 0, 0, :2] = 300, -2
    array[1, 1, 0, 0] = 256
    writer.prepare()
    with caplog.at_level(logging.INFO, logger="srlab"):
        for at in range(2):
            writer.write((slice(at, at + 1), slice(0, 3), slice(0, 5)), array[:, at : at + 1])
        writer.finish()
    line = "values beyond the range of uint8 were clipped: 2 of 1 (6.67%), 1 of 2 (3.33%)"
    assert f"{path}: {line}" in caplog.messages
    if name == "a.ome.tif":
        with tifffile.TiffFile(path) as file:
            assert '"CLIPPED_VALUES": "1 2, 2 1"' in unescape(file.ome_metadata)
        return
    image = nibabel.load(path)
    assert image.header["descrip"].item().decode().startswith("3 values clipped; super-resolved")
    stored = np.asarray(image.dataobj).reshape(5, 3, 2, 2).T
    np.testing.assert_array_equal(stored, array.clip(0, 255))


def test_nothing_is_said_where_nothing_is_clipped(caplog, tmp_path):
    clipping = Clipping((*CHANNELS, Channel("c")))
    with caplog.at_level(logging.INFO, logger="srlab"):
        clipping.count(np.full((3, 2, 2), np.nan, np.float32))
        clipping.report(tmp_path)
    assert not caplog.records
    assert clipping.tags == {}
