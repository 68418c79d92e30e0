import pickle
import re

import numpy as np
import pytest
import tifffile

from srlab.io import open_reader
from srlab.mistakes import Mistake


def counted(shape, dtype=np.uint16):
    return np.random.default_rng(0).integers(0, 200, shape).astype(dtype)


def middle(shape):
    return tuple(slice(size // 3, size // 3 + max(size // 2, 1)) for size in shape)


STACKS = {
    "a.ome.tif": ("TCZYX", (3, 2, 4, 40, 50), {"ome": True}),
    "b.ome.tif": ("ZTCYX", (4, 3, 2, 40, 50), {"ome": True, "tile": (16, 16)}),
    "c.tif": ("TZCYX", (3, 4, 2, 40, 50), {"imagej": True}),
    "d.ome.tif": ("YX", (40, 50), {"ome": True}),
    "e.ome.tif": ("ZYXS", (4, 40, 50, 3), {"ome": True, "photometric": "rgb"}),
    "f.ome.tif": ("CYX", (2, 40, 50), {"ome": True, "compression": "zlib"}),
}


@pytest.mark.parametrize("name", STACKS)
def test_windows_equal_tifffiles(tmp_path, name):
    axes, shape, options = STACKS[name]
    pixels = counted(shape, np.uint8 if "S" in axes else np.uint16)
    tifffile.imwrite(tmp_path / name, pixels, metadata={"axes": axes}, **options)
    reader = pickle.loads(pickle.dumps(open_reader(tmp_path / name)))
    kept = [axis for axis in "TZYX" if axis in axes]
    assert [axis.name.upper() for axis in reader.description.axes] == kept
    whole = tifffile.imread(tmp_path / name).reshape(shape)
    order = [axes.index(axis) for axis in (*[a for a in "CS" if a in axes], *kept)]
    expected = whole.transpose(order).reshape(-1, *[shape[axes.index(axis)] for axis in kept])
    window = middle(reader.description.shape)
    got = reader.read(window)
    np.testing.assert_array_equal(got, expected[(slice(None), *window)])
    assert got.dtype == np.float32


def test_ome_says_sizes_names_and_step(tmp_path):
    about = {
        "axes": "TCZYX",
        "PhysicalSizeX": 0.2,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": 250.0,
        "PhysicalSizeYUnit": "nm",
        "PhysicalSizeZ": 1.5,
        "PhysicalSizeZUnit": "µm",
        "TimeIncrement": 3.0,
        "TimeIncrementUnit": "min",
        "Channel": {"Name": ["DAPI", "GFP"]},
    }
    tifffile.imwrite(tmp_path / "a.ome.tif", counted((2, 2, 3, 8, 9)), metadata=about)
    description = open_reader(tmp_path / "a.ome.tif", bands=["gfp"]).description
    assert description.names == ("GFP",)
    told = [(axis.name, axis.spacing, axis.unit) for axis in description.axes]
    assert told == [("t", 3.0, "min"), ("z", 1.5, "µm"), ("y", 250.0, "nm"), ("x", 0.2, "µm")]


def test_imagej_says_sizes_in_its_own_words(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", counted((2, 3, 4, 8, 9)), imagej=True, resolution=(2.0, 4.0),
        metadata={"axes": "TZCYX", "unit": "\\u00B5m", "spacing": 0.7, "finterval": 5.0},
    )  # fmt: skip
    axes = open_reader(tmp_path / "a.tif").description.axes
    told = [(axis.name, axis.spacing, axis.unit) for axis in axes]
    assert told == [("t", 5.0, "s"), ("z", 0.7, "µm"), ("y", 0.25, "µm"), ("x", 0.5, "µm")]


def test_planes_in_missing_files_are_told(tmp_path):
    whole = tifffile.imread  # the reference fills them with zeros
    pixels = counted((2, 8, 9))
    tifffile.imwrite(tmp_path / "one.ome.tif", pixels, metadata={"axes": "ZYX"})
    with tifffile.TiffFile(tmp_path / "one.ome.tif") as file:
        xml = file.ome_metadata
    uuid = re.search(r"urn:uuid:[0-9a-f-]+", xml).group()
    other = uuid[:-4] + "ffff"
    second = f'<TiffData IFD="0" FirstZ="1" PlaneCount="1"><UUID FileName="two.ome.tif">{other}'
    first = f'<TiffData IFD="0" FirstZ="0" PlaneCount="1"><UUID FileName="one.ome.tif">{uuid}'
    both = f"{first}</UUID></TiffData>{second}</UUID></TiffData>"
    xml = re.sub(r"<TiffData[^>]*/>", both, xml)
    tifffile.imwrite(tmp_path / "one.ome.tif", pixels[:1], description=xml, metadata=None)
    assert not whole(tmp_path / "one.ome.tif")[1].any()
    with pytest.raises(Mistake, match="lacks some of its planes: they lie in other files"):
        open_reader(tmp_path / "one.ome.tif")


def read_whole(path):
    reader = open_reader(path)
    return reader.read(tuple(slice(0, size) for size in reader.description.shape))


@pytest.mark.parametrize("size", [0, 6, 150, 3000])
def test_cut_files_are_told_in_a_line(tmp_path, size):
    path = tmp_path / "cut.ome.tif"
    tifffile.imwrite(path, counted((4, 40, 50)), metadata={"axes": "ZYX"}, compression="zlib")
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(Mistake, match=r"cut\.ome\.tif") as caught:
        read_whole(path)
    assert "\n" not in str(caught.value)


def test_a_name_or_a_number_chooses_an_image(tmp_path):
    path = tmp_path / "a.ome.tif"
    images = [counted((2, 3, 40, 50)), counted((3, 32, 48), np.uint8), counted((2, 3, 40, 50)) + 1]
    with tifffile.TiffWriter(path) as file:
        file.write(images[0], metadata={"axes": "CZYX", "Name": "cell", "PhysicalSizeX": 0.5})
        file.write(images[1], tile=(16, 16), metadata={"axes": "ZYX", "Name": "mask"})
        file.write(images[2], subifds=1, metadata={"axes": "CZYX", "PhysicalSizeX": 0.2})
        file.write(images[2][..., ::2, ::2], subfiletype=1)
    with pytest.raises(Mistake, match=r"holds 3 images \(cell, mask, Image2\): choose one"):
        open_reader(path)
    steps = {"cell": 0.5, "MASK": None, "3": 0.2}
    for (name, step), pixels in zip(steps.items(), images, strict=True):
        reader = pickle.loads(pickle.dumps(open_reader(f"{path}#{name}")))
        assert reader.description.axes[-1].spacing == step
        window = tuple(slice(1, size) for size in reader.description.shape)
        expected = pixels[..., 1:, 1:, 1:].reshape(-1, *(size - 1 for size in pixels.shape[-3:]))
        np.testing.assert_array_equal(reader.read(window), expected)
    assert str(open_reader(f"{path}#2")) == f"{path}#mask"


def test_pages_that_gdal_reads_and_other_axes_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "plain.tif", counted((4, 5)), metadata=None)
    with pytest.raises(Mistake, match=r"no stack .*: leave #2 out, or .* GTIFF_DIR:2:/"):
        open_reader(f"{tmp_path}/plain.tif#2")
    tifffile.imwrite(tmp_path / "r.ome.tif", counted((2, 3, 5, 6)), metadata={"axes": "RZYX"})
    with pytest.raises(Mistake, match="any of T, C, Z, Y and X are read"):
        open_reader(tmp_path / "r.ome.tif")
