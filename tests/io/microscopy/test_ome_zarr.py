"""OME-Zarr, against zarr, yaozarrs and numpy."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import yaozarrs
import zarr

from srlab.io import Axis, Channel, Description, Provenance, create_writer, open_reader
from srlab.mistakes import Mistake

PROVENANCE = Provenance("srlab 1", "abc", settings={"tile": [8, 8, 8]})
UNITS = {"t": (3.0, "s"), "z": (1.5, "µm"), "y": (0.25, "µm"), "x": (0.2, "nm")}
RED, GREEN = "-16776961", "16711935"  # OME's signed numbers of FF0000FF and 00FF00FF


def described(sizes, *, dtype=np.uint16):
    axes = tuple(Axis(name, *UNITS[name]) for name in sizes)
    named = {"DAPI": RED, "GFP": GREEN}
    channels = tuple(
        Channel(name, dtype=np.dtype(dtype), description=name, tags={"OME_COLOR": colour})
        for name, colour in named.items()
    )
    return Description(tuple(sizes.values()), axes, channels, tags={"OME_NAME": "cell"})


def written(path, description, values, *, step=100, **options):
    writer = create_writer(path, description, provenance=PROVENANCE, options=options)
    writer.prepare()
    for start in reversed(range(0, description.shape[-1], step)):
        span = slice(start, min(start + step, description.shape[-1]))
        window = (*(slice(0, size) for size in description.shape[:-1]), span)
        writer.write(window, np.ascontiguousarray(values[..., span]))
    writer.finish()
    return path


def counted(description):
    sizes = len(description.channels), *description.shape
    return np.random.default_rng(0).integers(0, 200, sizes).astype(np.float32)


@pytest.mark.parametrize("ome_version", ["0.4", "0.5"])
@pytest.mark.parametrize(
    ("sizes", "dtype"),
    [
        ({"t": 2, "z": 3, "y": 300, "x": 270}, np.uint16),
        ({"z": 3, "y": 20, "x": 30}, np.float32),
        ({"y": 700, "x": 515}, np.uint8),
    ],
)
def test_round_trip_is_lossless_and_valid(tmp_path, sizes, dtype, ome_version):
    description = described(sizes, dtype=dtype)
    values = counted(description)
    path = written(tmp_path / "a.ome.zarr", description, values, ome_version=ome_version)
    yaozarrs.validate_zarr_store(str(path))
    reader = pickle.loads(pickle.dumps(open_reader(path)))
    corner = {name: -UNITS[name][0] / 2 for name in sizes if name != "t"}
    assert json.loads(reader.description.tags["OME_ZARR_CORNER"]) == corner
    assert replace(reader.description, tags=description.tags) == description
    everything = tuple(slice(0, size) for size in sizes.values())
    np.testing.assert_array_equal(reader.read(everything), values)
    assert zarr.open_group(path).attrs["MODEL_SHA256"] == "abc"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.ome.zarr"]


def test_values_beyond_the_type_are_clipped_and_counted(tmp_path, caplog):
    description = described({"y": 8, "x": 9}, dtype=np.uint8)
    values = counted(description)
    values[1, 2, 3:5] = 300, -7
    with caplog.at_level("INFO"):
        path = written(tmp_path / "a.ome.zarr", description, values)
    assert zarr.open_group(path).attrs["CLIPPED_VALUES"] == "GFP 2"
    assert "were clipped: 2 of GFP" in caplog.text
    read = open_reader(path).read((slice(0, 8), slice(0, 9)))
    np.testing.assert_array_equal(read, values.clip(0, 255))


def test_levels_are_means_of_four_pixels_and_say_where_they_lie(tmp_path):
    description = described({"t": 2, "y": 700, "x": 515}, dtype=np.float32)
    path = written(tmp_path / "a.ome.zarr", description, counted(description))
    root = zarr.open_group(path)
    fine, coarse, coarsest = (root[name][:] for name in "012")
    assert coarsest.shape == (2, 2, 175, 129)
    even = np.pad(fine, [(0, 0), (0, 0), (0, 0), (0, 1)], mode="edge")
    means = even.reshape(2, 2, 350, 2, 258, 2).mean((3, 5))
    np.testing.assert_allclose(coarse, means, rtol=1e-6)
    level = root.attrs["multiscales"][0]["datasets"][1]["coordinateTransformations"]
    assert level[0]["scale"] == [3.0, 1.0, 0.5, 0.4]
    assert level[1]["translation"] == [0.0, 0.0, 0.125, 0.1]
    window = root.attrs["omero"]["channels"][1]["window"]
    assert window["start"] == coarsest[:, 1].min()
    assert window["max"] == coarsest[:, 1].max()


def stored(path, pixels, axes, *, version="0.4", transforms=(), spacing=None, **more):
    """Write an OME-Zarr by zarr alone."""
    attributes = {
        "multiscales": [
            {
                "version": version,
                "axes": axes,
                "coordinateTransformations": list(transforms),
                "datasets": [
                    {
                        "path": "s/0",
                        "coordinateTransformations": [
                            {"type": "scale", "scale": spacing or [1.0] * pixels.ndim}
                        ],
                    }
                ],
            }
        ],
        **more,
    }
    root = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    root.create_array("s/0", data=pixels, chunks=tuple(min(7, size) for size in pixels.shape))
    root.attrs.update(attributes if version == "0.4" else {"ome": attributes})
    return path


@pytest.mark.parametrize(
    ("order", "version"),
    [("tczyx", "0.4"), ("xyczt", "0.5"), ("zyx", "0.4"), ("cyx", "0.5"), ("yxc", "0.4")],
)
def test_windows_equal_zarrs_in_any_order_of_axes(tmp_path, order, version):
    for name in ["a.ome.zarr", "b.zarr"]:
        sizes = {"t": 3, "c": 2, "z": 4, "y": 20, "x": 25}
        pixels = np.random.default_rng(0).integers(0, 999, [sizes[axis] for axis in order])
        axes = [{"name": axis, "type": "channel" if axis == "c" else "space"} for axis in order]
        path = stored(tmp_path / name, pixels.astype(">u2"), axes, version=version)
        reader = open_reader(path)
        kept = [axis for axis in "tzyx" if axis in order]
        assert "".join(axis.name for axis in reader.description.axes) == "".join(kept)
        window = tuple(slice(1, sizes[axis] - 1) for axis in kept)
        spans = dict(zip(kept, window, strict=True))
        raw = zarr.open_group(path)["s/0"][tuple(spans.get(axis, slice(None)) for axis in order)]
        expected = np.einsum(f"{order}->{''.join(sorted(order, key='ctzyx'.index))}", raw)
        np.testing.assert_array_equal(
            reader.read(window), expected.reshape(-1, *expected.shape[-len(kept) :])
        )


def test_sizes_are_the_product_of_both_scales_and_omero_names_channels(tmp_path):
    axes = [
        {"name": "c", "type": "channel"},
        {"name": "z", "type": "space"},
        {"name": "y", "type": "space", "unit": "micrometer"},
        {"name": "x", "type": "space", "unit": "nanometer"},
    ]
    twice = {"type": "scale", "scale": [1.0, 1.0, 2.0, 2.0]}
    shown = [{"label": "DAPI", "color": "ff0000"}, {"label": "GFP", "color": "00FF00"}]
    pixels = np.arange(2 * 3 * 8 * 9, dtype="f4").reshape(2, 3, 8, 9)
    path = stored(
        tmp_path / "a.ome.zarr", pixels, axes,
        transforms=[twice], spacing=[1.0, 1.0, 0.25, 100.0], omero={"channels": shown},
    )  # fmt: skip
    description = open_reader(path, bands=["gfp", "DAPI"]).description
    told = [(axis.name, axis.spacing, axis.unit) for axis in description.axes]
    assert told == [("z", None, None), ("y", 0.5, "µm"), ("x", 200.0, "nm")]
    assert description.names == ("GFP", "DAPI")
    assert [channel.tags["OME_COLOR"] for channel in description.channels] == [GREEN, RED]
    read = open_reader(path, bands=[2, 1]).read((slice(0, 3), slice(0, 8), slice(0, 9)))
    np.testing.assert_array_equal(read, pixels[::-1])


YX = [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
PIXELS = np.zeros((8, 9), "u1")


def without(key):
    def spoil(attributes):
        del attributes["multiscales"][0][key]

    return spoil


def changed(**values):
    return lambda attributes: attributes["multiscales"][0].update(values)


def test_stores_that_contradict_themselves_are_told_in_a_line(tmp_path):
    cases = [
        (dict.clear, "has no multiscales among its attributes"),
        (lambda attributes: attributes.update(plate={"wells": []}), "holds no image"),
        (without("axes"), "older than 0.4, whose axes have neither types nor units"),
        (changed(axes=["y", "x"]), "older than 0.4"),
        (changed(axes=[*YX, {"name": "z"}]), "not an OME-Zarr that zarr can read"),
        (changed(axes=[{"name": "y"}, {"name": "a"}]), "names the axes y, a of an array with 2"),
        (without("datasets"), "not an OME-Zarr that zarr can read"),
        (changed(datasets=[{"path": "9"}]), "lacks 9, the array of its finest level"),
        (changed(datasets=[{"path": "s"}]), "has a group in the place of its array s"),
        (changed(datasets="none"), "not an OME-Zarr that zarr can read"),
    ]
    for spoil, message in cases:
        path = stored(tmp_path / "a.ome.zarr", PIXELS, YX)
        attributes = json.loads((path / ".zattrs").read_text())
        spoil(attributes)
        (path / ".zattrs").write_text(json.dumps(attributes))
        with pytest.raises(Mistake, match=message) as caught:
            open_reader(path)
        assert "a.ome.zarr" in str(caught.value)
        assert "\n" not in str(caught.value)


def put_images(path, names, version, attributes):
    """Write a store of several images, each brighter by 1 than the one before."""
    root = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    for group, about in attributes.items():
        made = root.require_group(group) if group else root
        made.attrs.update(about if version == "0.4" else {"ome": {"version": version, **about}})
    for number, name in enumerate(names):
        stored(path / name, PIXELS + number, YX, version=version)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_path_or_a_number_chooses_an_image(tmp_path, version):
    wells = [
        {"path": name, "rowIndex": row, "columnIndex": 0} for row, name in enumerate(("A/1", "B/1"))
    ]
    plate = {"rows": [{"name": "A"}, {"name": "B"}], "columns": [{"name": "1"}], "wells": wells}
    stores = {
        "plate.ome.zarr": (
            ["A/1/0", "A/1/1", "B/1/0", "A/1/0/labels/nuclei"],
            {
                "": {"plate": plate},
                "A/1": {"well": {"images": [{"path": "0"}, {"path": "1"}]}},
                "B/1": {"well": {"images": [{"path": "0"}]}},
            },
        ),
        "numbered.zarr": (["0", "1", "2"], {"": {"bioformats2raw.layout": 3}}),
        "listed.ome.zarr": (
            ["c/x", "a", "b"],
            {"": {"bioformats2raw.layout": 3}, "OME": {"series": ["c/x", "a", "b"]}},
        ),
    }
    for store, (names, attributes) in stores.items():
        path = tmp_path / store
        put_images(path, names, version, attributes)
        with pytest.raises(
            Mistake, match=rf"holds 3 images \({', '.join(names[:3])}\): choose one"
        ):
            open_reader(path)
        for number, name in enumerate(names):
            reader = pickle.loads(pickle.dumps(open_reader(f"{path}#{name}")))
            assert str(reader) == f"{path}#{name}"
            np.testing.assert_array_equal(reader.read((slice(0, 8), slice(0, 9))), number)
        assert str(open_reader(f"{path}#3")) == f"{path}#{names[2]}"
        with pytest.raises(Mistake, match="has no image 'C/9': choose from"):
            open_reader(f"{path}#C/9")


def test_damaged_and_missing_stores_are_told(tmp_path):
    (tmp_path / "empty.ome.zarr").mkdir()
    with pytest.raises(Mistake, match=r"empty\.ome\.zarr is not an OME-Zarr"):
        open_reader(tmp_path / "empty.ome.zarr")
    path = stored(tmp_path / "a.ome.zarr", np.arange(72, dtype="f4").reshape(8, 9), YX)
    for chunk in (path / "s" / "0").rglob("0.0"):
        chunk.write_bytes(b"nothing")
    with pytest.raises(Mistake, match=r"a\.ome\.zarr cannot be read at .*truncated or damaged"):
        open_reader(path).read((slice(0, 8), slice(0, 9)))


def test_what_an_ome_zarr_cannot_hold_is_refused(tmp_path):
    description = described({"z": 3, "y": 40, "x": 50})
    turned = Description((3, 40, 50), tuple(reversed(description.axes)), description.channels)
    with pytest.raises(Mistake, match="holds the axes t, z, y and x, and the image has xyz"):
        create_writer(tmp_path / "a.ome.zarr", turned, provenance=PROVENANCE)
    scaled = description.with_channels([Channel("1", scale=2.0)])
    with pytest.raises(Mistake, match="holds neither scale nor offset"):
        create_writer(tmp_path / "a.ome.zarr", scaled, provenance=PROVENANCE)
    with pytest.raises(Mistake, match=r"ome_version is '0\.3' .* OME-Zarr offers 0\.4, 0\.5"):
        create_writer(
            tmp_path / "a.ome.zarr", description, provenance=PROVENANCE,
            options={"ome_version": "0.3"},
        )  # fmt: skip
