"""Arrays in files: read as NumPy reads them, and written so that NumPy reads the same."""

import json
import pickle
import zipfile

import numpy as np
import pytest
import zarr

from srlab.io import Axis, Channel, Description, Provenance, create_writer, open_reader
from srlab.mistakes import Mistake

RNG = np.random.default_rng(0)
SIZES = {"t": 3, "c": 2, "z": 4, "y": 30, "x": 20}
PROVENANCE = Provenance("srlab 0", "abc")
KINDS = [("a", ".npy"), ("stored", ".npz"), ("a", ".npz"), ("a", ".zarr")]


def values(axes):
    return RNG.integers(0, 200, [SIZES[axis] for axis in axes]).astype("u2")


def saved(path, array):
    """Write an array by its own library."""
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".zarr":
        zarr.create_array(path, data=array, chunks=tuple(min(16, size) for size in array.shape))
    elif path.name.startswith("stored"):
        np.savez(path, image=array, other="text")
    else:
        np.savez_compressed(path, image=array)
    return path


def everything(reader):
    return tuple(slice(0, size) for size in reader.description.shape)


def channels_first(array, axes):
    return np.moveaxis(array, axes.index("c"), 0) if "c" in axes else array[None]


@pytest.mark.parametrize(("name", "ending"), KINDS)
def test_windows_are_those_of_the_array_by_the_axes_in_its_name(tmp_path, name, ending):
    for axes in ["yx", "cyx", "yxc", "zyx", "czyx", "tczyx", "tyxc"]:
        array = values(axes)
        reader = open_reader(saved(tmp_path / f"{name}.{axes}{ending}", array))
        space = axes.replace("c", "")
        assert [axis.name for axis in reader.description.axes] == list(space)
        window = tuple(slice(1, SIZES[axis] - 1) for axis in space)
        expected = channels_first(array, axes)[(slice(None), *window)].astype(np.float32)
        for each in (reader, pickle.loads(pickle.dumps(reader))):
            np.testing.assert_array_equal(each.read(window), expected, strict=True)


@pytest.mark.parametrize(
    ("shape", "channels", "axes"),
    [
        *(((30, 20), 1, "yx"), ((2, 30, 20), 2, "yx")),
        *(((2, 4, 30, 20), 2, "zyx"), ((2, 3, 4, 30, 20), 2, "tzyx")),
    ],
)
def test_a_name_without_axes_means_channels_first(tmp_path, shape, channels, axes):
    described = open_reader(saved(tmp_path / "a.npy", np.zeros(shape))).description
    assert len(described.channels) == channels
    assert [axis.name for axis in described.axes] == list(axes)


@pytest.mark.parametrize("compressed", [False, True])
def test_any_type_and_order_is_read_as_numpy_reads_it(tmp_path, compressed):
    for dtype in ["?", "i1", "<u2", ">i2", ">u4", "<i8", "<f2", ">f4", "<f8"]:
        array = np.asfortranarray(values("cyx").astype(dtype))
        path = tmp_path / ("a.npz" if compressed else "a.npy")
        reader = open_reader(saved(path, array))
        window = (slice(3, 25), slice(5, 20))
        np.testing.assert_array_equal(
            reader.read(window), array[:, 3:25, 5:20].astype(np.float32), strict=True
        )
        expected = np.dtype("u1") if dtype == "?" else np.dtype(dtype).newbyteorder("=")
        assert reader.description.dtype == expected


def test_what_is_not_finite_in_a_file_holds_no_data(tmp_path):
    saved(tmp_path / "a.npy", np.array([[1, np.inf, -np.inf, np.nan, 1e300, -2]]))
    reader = open_reader(tmp_path / "a.npy")
    expected = np.array([[[1, np.nan, np.nan, np.nan, np.nan, -2]]], np.float32)
    np.testing.assert_array_equal(reader.read(everything(reader)), expected, strict=True)


def test_arrays_of_an_archive_are_chosen_by_name(tmp_path):
    rgb, nir = values("cyx"), values("yx")
    np.savez_compressed(tmp_path / "a.npz", rgb=rgb, nir=nir, small=nir[:9], notes="text")
    reader = open_reader(tmp_path / "a.npz", bands=["nir", "rgb:2"])
    assert reader.description.names == ("nir", "rgb:2")
    np.testing.assert_array_equal(reader.read(everything(reader)), np.stack([nir, rgb[1]]))
    with pytest.raises(Mistake, match=r"3 variables: choose with bands=\[…\] from rgb \(2 bands"):
        open_reader(tmp_path / "a.npz")
    with pytest.raises(Mistake, match="different sizes"):
        open_reader(tmp_path / "a.npz", bands=["nir", "small"])


def described(axes, names, dtype="u2", **channel):
    shape = tuple(SIZES[axis] for axis in axes)
    channels = [Channel(name, dtype=np.dtype(dtype), **channel) for name in names]
    return Description(shape, tuple(map(Axis, axes)), tuple(channels))


def written(path, description, image, *, step=7):
    """Write an image in blocks along its first axis, the last first."""
    writer = create_writer(path, description, provenance=PROVENANCE)
    writer.prepare()
    rest = tuple(slice(0, size) for size in description.shape[1:])
    for start in reversed(range(0, description.shape[0], step)):
        window = (slice(start, min(start + step, description.shape[0])), *rest)
        writer.write(window, image[(slice(None), *window)])
    writer.finish()
    return path


@pytest.mark.parametrize(
    ("name", "space", "channels", "shape"),
    [
        ("a.npy", "yx", 1, (30, 20)),
        ("a.npy", "yx", 2, (2, 30, 20)),
        ("a.npy", "zyx", 1, (1, 4, 30, 20)),
        ("a.zyx.npy", "zyx", 1, (4, 30, 20)),
        ("a.yxc.npy", "yx", 2, (30, 20, 2)),
        ("a.tczyx.npy", "tzyx", 2, (3, 2, 4, 30, 20)),
    ],
)
def test_what_is_written_is_what_numpy_reads(tmp_path, name, space, channels, shape):
    names = list(map(str, range(1, channels + 1)))
    image = RNG.integers(0, 200, (channels, *(SIZES[axis] for axis in space))).astype("f4")
    path = written(tmp_path / name, described(space, names), image)
    array = np.load(path)
    assert (array.shape, array.dtype) == (shape, np.uint16)
    again = written(tmp_path / f"again.{name}", described(space, names), image, step=100)
    assert again.read_bytes() == path.read_bytes()
    reader = open_reader(path)
    np.testing.assert_array_equal(reader.read(everything(reader)), image)
    assert sorted(tmp_path.iterdir()) == sorted([path, again])


@pytest.mark.parametrize("name", ["a.npz", "a.yxc.npz", "a.zarr", "a.yxc.zarr"])
def test_names_of_arrays_come_back(tmp_path, name):
    names = ["rgb:1", "nir", "rgb:2"]
    image = RNG.random((3, 30, 20)).astype("f4")
    path = written(tmp_path / name, described("yx", names, "f4"), image)
    reader = open_reader(path, bands=names)
    np.testing.assert_array_equal(reader.read(everything(reader)), image)


def test_bands_of_one_name_are_one_array_and_the_comment_tells_the_model(tmp_path):
    image = np.full((3, 30, 20), 70_000, np.float32)
    path = written(tmp_path / "a.npz", described("yx", ["rgb:1", "rgb:2", "nir"]), image)
    with np.load(path) as arrays:
        assert {name: arrays[name].shape for name in arrays} == {
            "rgb": (2, 30, 20),
            "nir": (30, 20),
        }
        assert arrays["rgb"].max() == 65_535
    with zipfile.ZipFile(path) as archive:
        told = json.loads(archive.comment)
    assert told["MODEL_SHA256"] == "abc"
    assert told["CLIPPED_VALUES"] == "rgb:1 600, rgb:2 600, nir 600"


def test_plain_arrays_of_a_store_are_what_zarr_reads(tmp_path):
    image = RNG.random((1, 4, 30, 20)).astype("f4")
    path = written(tmp_path / "a.zyx.zarr", described("zyx", ["1"], "f4"), image)
    array = zarr.open_array(path, mode="r")
    np.testing.assert_array_equal(array[:], image[0])
    assert array.attrs["_ARRAY_DIMENSIONS"] == ["z", "y", "x"]
    assert array.attrs["MODEL_SHA256"] == "abc"


def test_values_that_a_file_scales_are_written_as_they_are(tmp_path):
    description = described("yx", ["1"], "i2", scale=0.5, offset=-3.0)
    image = RNG.random((1, 30, 20)).astype("f4")
    np.testing.assert_array_equal(
        np.load(written(tmp_path / "a.npy", description, image)), image[0]
    )


def test_integers_without_data_keep_their_value_and_floats_are_nan(tmp_path):
    image = np.full((1, 30, 20), np.nan, np.float32)
    for name, dtype, expected in (("a.npy", "u2", 9), ("b.npy", "f4", np.nan)):
        path = written(tmp_path / name, described("yx", ["1"], dtype, nodata=9.0), image)
        np.testing.assert_array_equal(np.load(path), np.full((30, 20), expected, dtype))
    with pytest.raises(Mistake, match="marked empty by a mask"):
        written(tmp_path / "c.npy", described("yx", ["1"], masked=True), image)


@pytest.mark.parametrize("name", ["a.zyx.npy", "a.yx.npy"])
def test_a_name_that_states_other_axes_is_refused(tmp_path, name):
    with pytest.raises(Mistake, match=r"the image has cyx: end its name in \.cyx\.npy"):
        create_writer(tmp_path / name, described("yx", ["1", "2"]), provenance=PROVENANCE)
