import numpy as np
import pytest
import tifffile

from srlab.io import Axis, Channel, Description, Provenance, create_writer, open_reader
from srlab.mistakes import Mistake

PROVENANCE = Provenance("srlab 1", "abc", settings={"tile": [8, 8, 8]})


def described(sizes, *, dtype=np.uint16, names=("DAPI", "GFP")):
    units = {"t": (3.0, "s"), "z": (1.5, "µm"), "y": (0.25, "µm"), "x": (0.2, "µm")}
    axes = tuple(Axis(name, *units[name]) for name in sizes)
    channels = tuple(Channel(name, dtype=np.dtype(dtype), description=name) for name in names)
    return Description(tuple(sizes.values()), axes, channels, tags={"OME_NAME": "cell"})


def written(path, description, values, *, step=100):
    writer = create_writer(path, description, provenance=PROVENANCE)
    writer.prepare()
    for start in reversed(range(0, description.shape[-1], step)):
        span = slice(start, min(start + step, description.shape[-1]))
        window = (*(slice(0, size) for size in description.shape[:-1]), span)
        writer.write(window, np.ascontiguousarray(values[..., span]))
    writer.finish()
    return path


@pytest.mark.parametrize(
    ("sizes", "dtype"),
    [
        ({"t": 2, "z": 3, "y": 300, "x": 270}, np.uint16),
        ({"z": 3, "y": 20, "x": 30}, np.float32),
        ({"t": 2, "y": 20, "x": 30}, np.uint8),
        ({"y": 700, "x": 515}, np.uint8),
    ],
)
def test_round_trip_is_lossless(tmp_path, sizes, dtype):
    description = described(sizes, dtype=dtype)
    values = np.random.default_rng(0).integers(0, 200, (2, *sizes.values())).astype(np.float32)
    reader = open_reader(written(tmp_path / "a.ome.tif", description, values))
    assert reader.description == description
    read = reader.read(tuple(slice(0, size) for size in sizes.values()))
    np.testing.assert_array_equal(read, values)


def test_levels_are_means_of_four_pixels(tmp_path):
    sizes = {"z": 2, "y": 700, "x": 515}
    values = np.random.default_rng(0).random((2, 2, 700, 515)).astype(np.float32)
    path = written(tmp_path / "a.ome.tif", described(sizes, dtype=np.float32), values)
    with tifffile.TiffFile(path) as file:
        (series,) = file.series
        levels = [level.asarray() for level in series.levels]
    assert [level.shape[-2:] for level in levels] == [(700, 515), (350, 258), (175, 129)]
    even = np.pad(levels[0], [(0, 0), (0, 0), (0, 0), (0, 1)], mode="edge")
    means = even.reshape(2, 2, 350, 2, 258, 2).mean((3, 5))
    np.testing.assert_allclose(levels[1], means, rtol=1e-6)


def test_bytes_do_not_depend_on_the_blocks(tmp_path):
    sizes = {"z": 3, "y": 40, "x": 50}
    values = np.random.default_rng(0).random((2, 3, 40, 50)).astype(np.float32)
    description = described(sizes, dtype=np.float32)
    first = written(tmp_path / "a.ome.tif", description, values, step=50)
    second = written(tmp_path / "b.ome.tif", description, values, step=7)
    assert first.read_bytes() == second.read_bytes()


def test_what_an_ome_tiff_cannot_hold_is_refused(tmp_path):
    description = described({"z": 3, "y": 40, "x": 50})
    turned = Description((3, 40, 50), tuple(reversed(description.axes)), description.channels)
    with pytest.raises(Mistake, match="holds the axes t, z, y and x, and the image has xyz"):
        create_writer(tmp_path / "a.ome.tif", turned, provenance=PROVENANCE)
    scaled = description.with_channels([Channel("1", scale=2.0)])
    with pytest.raises(Mistake, match="holds neither scale nor offset"):
        create_writer(tmp_path / "a.ome.tif", scaled, provenance=PROVENANCE)
