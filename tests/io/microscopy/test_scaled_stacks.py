"""Stacks at a finer sampling: what each format says of them, by tifffile, zarr and bioio."""

import re

import numpy as np
import pytest
import tifffile
import zarr

from srlab.io import Provenance, create_writer, open_reader

VALUES = np.random.default_rng(0).integers(0, 4000, (2, 2, 3, 12, 10)).astype(np.uint16)  # tczyx
STEP, SPACING = 2.5, {"z": 1.8, "y": 0.5, "x": 0.25}
FIRST = {"z": 40.0, "y": -3.0, "x": 7.5}
COLOURS = {"DAPI": "0000FF", "GFP": "00FF00"}


def ome_tiff(path):
    about = {
        "axes": "TCZYX", "TimeIncrement": STEP, "TimeIncrementUnit": "s",
        "Channel": {"Name": [*COLOURS], "Color": [65535, 16711935]},
    }  # fmt: skip
    for axis, size in SPACING.items():
        about |= {f"PhysicalSize{axis.upper()}": size, f"PhysicalSize{axis.upper()}Unit": "µm"}
    tifffile.imwrite(path, VALUES, metadata=about)


def hyperstack(path):
    tifffile.imwrite(
        path, VALUES.transpose(0, 2, 1, 3, 4), imagej=True, resolution=(4.0, 2.0),
        metadata={"axes": "TZCYX", "unit": "um", "spacing": SPACING["z"], "finterval": STEP},
    )  # fmt: skip


def files_of_an_image(path):
    """Save one image whose times lie in two files, each of which tells of both."""
    ome_tiff(path)
    with tifffile.TiffFile(path) as file:
        xml = file.ome_metadata
    other = path.with_name("other.ome.tif")
    uuids = {path: "urn:uuid:" + "1" * 8, other: "urn:uuid:" + "2" * 8}
    parts = "".join(
        f'<TiffData IFD="{at}" FirstT="{t}" FirstC="{at // 3}" FirstZ="{at % 3}" PlaneCount="1">'
        f'<UUID FileName="{name.name}">{uuid}</UUID></TiffData>'
        for t, (name, uuid) in enumerate(uuids.items())
        for at in range(6)
    )
    xml = re.sub(r"<TiffData[^>]*/>", parts, xml)
    for t, (name, uuid) in enumerate(uuids.items()):
        own = re.sub(r'UUID="[^"]*"', f'UUID="{uuid}"', xml, count=1)
        own = own.encode()
        tifffile.imwrite(name, VALUES[t].reshape(6, 12, 10), description=own, metadata=None)


def ome_zarr(path):
    """Save an OME-Zarr by zarr alone."""
    axes = [{"name": "t", "type": "time", "unit": "second"}, {"name": "c", "type": "channel"}]
    axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in SPACING]
    scale = {"type": "scale", "scale": [STEP, 1.0, *SPACING.values()]}
    place = {"type": "translation", "translation": [0.0, 0.0, *FIRST.values()]}
    datasets = [{"path": "0", "coordinateTransformations": [scale, place]}]
    root = zarr.open_group(path, mode="w", zarr_format=2)
    root.create_array("0", data=VALUES, chunks=(1, 1, 1, 12, 10))
    shown = [{"label": name, "color": colour} for name, colour in COLOURS.items()]
    image = {"version": "0.4", "axes": axes, "datasets": datasets}
    root.attrs.update({"multiscales": [image], "omero": {"channels": shown}})


SOURCES = {
    "a.ome.tif": ome_tiff,
    "b.tif": hyperstack,
    "c.ome.tif": files_of_an_image,
    "d.ome.zarr": ome_zarr,
}
CASES = [
    ("a.ome.tif", (1, 2, 2)),
    ("b.tif", (3, 1, 1)),
    ("c.ome.tif", (2, 2, 2)),
    ("d.ome.zarr", (3, 1, 1)),
    ("d.ome.zarr", (2, 2, 2)),
]


def finer(source, target, scale, **options):
    """Repeat each voxel as a model of that scale would, and write the result."""
    reader = open_reader(source)
    factors = (1, *scale)
    whole = tuple(slice(0, size) for size in reader.description.shape)
    values = reader.read(whole)
    np.testing.assert_array_equal(values, VALUES.transpose(1, 0, 2, 3, 4))
    for axis, factor in enumerate(factors, start=1):
        values = values.repeat(factor, axis)
    description = reader.description.scaled(factors)
    writer = create_writer(
        target, description, provenance=Provenance("srlab 1", "abc"), options=options
    )
    writer.prepare()
    writer.write(tuple(slice(0, size) for size in description.shape), values)
    writer.finish()
    return values


@pytest.mark.parametrize(("name", "scale"), CASES)
def test_an_ome_tiff_has_the_extent_of_its_source_and_its_names(tmp_path, name, scale):
    SOURCES[name](tmp_path / name)
    values = finer(tmp_path / name, tmp_path / "out.ome.tif", scale)
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as file:
        pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
        np.testing.assert_array_equal(file.series[0].asarray(), values.swapaxes(0, 1))
    assert (pixels["TimeIncrement"], pixels["TimeIncrementUnit"]) == (STEP, "s")
    for (axis, size), factor in zip(SPACING.items(), scale, strict=True):
        told = pixels[f"PhysicalSize{axis.upper()}"], pixels[f"PhysicalSize{axis.upper()}Unit"]
        assert told == (pytest.approx(size / factor), "µm")
    if name != "b.tif":  # ImageJ's has neither
        assert [channel["Name"] for channel in pixels["Channel"]] == [*COLOURS]
        assert [channel["Color"] for channel in pixels["Channel"]] == [65535, 16711935]


@pytest.mark.parametrize(("name", "scale"), CASES)
def test_an_ome_zarr_has_the_corners_of_its_source_and_its_names(tmp_path, name, scale):
    version = "0.5" if name == "b.tif" else "0.4"
    SOURCES[name](tmp_path / name)
    values = finer(tmp_path / name, tmp_path / "out.ome.zarr", scale, ome_version=version)
    root = zarr.open_group(tmp_path / "out.ome.zarr", mode="r")
    about = root.attrs["ome"] if version == "0.5" else root.attrs
    np.testing.assert_array_equal(root["0"][:], values.swapaxes(0, 1))
    image = about["multiscales"][0]
    units = [axis.get("unit") for axis in image["axes"]]
    assert units == ["second", None, *["micrometer"] * 3]
    transforms = {
        each["type"]: each[each["type"]]
        for each in image["datasets"][0]["coordinateTransformations"]
    }
    sizes = np.array([*SPACING.values()]) / scale
    np.testing.assert_allclose(transforms["scale"], [STEP, 1.0, *sizes])
    if name == "d.ome.zarr":
        first, shape = np.array(transforms["translation"][2:]), np.array(root["0"].shape[2:])
        corner = np.array([*FIRST.values()]) - np.array([*SPACING.values()]) / 2
        np.testing.assert_allclose(first - sizes / 2, corner)
        extent = np.array(VALUES.shape[2:]) * [*SPACING.values()]
        np.testing.assert_allclose(first - sizes / 2 + shape * sizes, corner + extent)
    else:
        assert "translation" not in transforms
    if name != "b.tif":
        shown = {each["label"]: each["color"] for each in about["omero"]["channels"]}
        assert shown == COLOURS


def test_bioio_reads_what_is_said(tmp_path):
    bioio, reader = pytest.importorskip("bioio"), pytest.importorskip("bioio_ome_tiff")
    ome_tiff(tmp_path / "a.ome.tif")
    values = finer(tmp_path / "a.ome.tif", tmp_path / "out.ome.tif", (3, 1, 1))
    image = bioio.BioImage(tmp_path / "out.ome.tif", reader=reader.Reader)
    np.testing.assert_array_equal(image.data, values.swapaxes(0, 1))
    assert image.channel_names == [*COLOURS]
    assert tuple(image.physical_pixel_sizes) == pytest.approx((0.6, 0.5, 0.25))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_reads_what_is_said(tmp_path, version):
    """It needs a library that cannot be installed beside the pinned ones."""
    io = pytest.importorskip("ome_zarr.io")
    from ome_zarr.reader import Reader

    ome_zarr(tmp_path / "a.ome.zarr")
    values = finer(tmp_path / "a.ome.zarr", tmp_path / "b.ome.zarr", (1, 2, 2), ome_version=version)
    (node,) = Reader(io.parse_url(tmp_path / "b.ome.zarr"))()
    np.testing.assert_array_equal(np.asarray(node.data[0]), values.swapaxes(0, 1))
    assert node.metadata["channel_names"] == [*COLOURS]
