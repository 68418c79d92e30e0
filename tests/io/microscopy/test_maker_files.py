"""CZI, ND2 and LIF against what was written."""

import os
import pickle
import sys
from pathlib import Path

import maker_files
import numpy as np
import pytest

from srlab.io import open_reader
from srlab.mistakes import Mistake

KINDS = {"czi": "pylibCZIrw", "nd2": "nd2", "lif": "liffile"}
STACK = maker_files.values()


@pytest.fixture(params=KINDS)
def kind(request):
    pytest.importorskip(KINDS[request.param])
    return request.param


def saved(folder, kind, stack=STACK, **options):
    return getattr(maker_files, kind)(folder / f"a.{kind}", stack, **options)


def test_windows_equal_what_was_written(tmp_path, kind):
    reader = pickle.loads(pickle.dumps(open_reader(saved(tmp_path, kind))))
    assert reader.description.shape == (2, 3, 20, 24)
    for window in [(slice(1, 2), slice(0, 3), slice(3, 9), slice(5, 24)), *whole(reader)]:
        expected = STACK.transpose(1, 0, 2, 3, 4)[(slice(None), *window)]
        np.testing.assert_array_equal(reader.read(window), expected)
    chosen = open_reader(str(reader), bands=[2])
    np.testing.assert_array_equal(chosen.read(*whole(reader))[0], STACK[:, 1])


def read_whole(path):
    reader = open_reader(path)
    return reader.read(*whole(reader))


def whole(reader):
    return [tuple(slice(0, size) for size in reader.description.shape)]


def test_sizes_names_and_colours_are_told(tmp_path, kind):
    description = open_reader(saved(tmp_path, kind)).description
    step = (None, None) if kind == "czi" else (2.5, "s")
    told = [(axis.name, axis.spacing, axis.unit) for axis in description.axes]
    assert told[0] == ("t", *step)
    assert [name for name, *_ in told] == ["t", "z", "y", "x"]
    assert [unit for *_, unit in told[1:]] == ["µm"] * 3
    np.testing.assert_allclose([size for _, size, _ in told[1:]], [1.5, 0.2, 0.2])
    names = ("Blue", "Green") if kind == "lif" else ("DAPI", "GFP")
    assert description.names == names
    # signed numbers of 0000FFFF and 00FF00FF
    colours = [channel.tags["OME_COLOR"] for channel in description.channels]
    assert colours == ["65535", "16711935"]


def test_a_single_plane_has_two_axes(tmp_path, kind):
    plane = STACK[:1, :, :1]
    reader = open_reader(saved(tmp_path, kind, plane))
    assert [axis.name for axis in reader.description.axes] == ["y", "x"]
    np.testing.assert_array_equal(reader.read(*whole(reader)), plane[0, :, 0])


def test_cut_files_are_told_in_a_line(tmp_path, kind):
    path = saved(tmp_path, kind)
    content = path.read_bytes()
    for size in (0, 40, len(content) // 2):
        path.write_bytes(content[:size])
        with pytest.raises(Mistake, match=rf"a\.{kind}") as caught:
            read_whole(path)
        assert "\n" not in str(caught.value)


def test_tiles_of_a_czi_are_one_image_wherever_it_begins(tmp_path):
    pytest.importorskip("pylibCZIrw")
    values = read_whole(saved(tmp_path, "czi", corner=(-7, 12), tile=9))
    np.testing.assert_array_equal(values, STACK.transpose(1, 0, 2, 3, 4))


def test_a_czi_is_open_in_another_process_alone(tmp_path):
    pytest.importorskip("pylibCZIrw")
    reader = open_reader(saved(tmp_path, "czi"))
    reader.read(*whole(reader))
    opened = [os.path.realpath(number) for number in Path("/proc/self/fd").iterdir()]
    assert str(reader) not in opened


def test_colours_of_a_czi_are_red_first(tmp_path):
    czi = pytest.importorskip("pylibCZIrw").czi
    blue_first = maker_files.values((20, 24, 3)).astype(np.uint8)
    with czi.create_czi(str(tmp_path / "a.czi")) as file:
        file.write(blue_first, plane={"T": 0, "C": 0, "Z": 0})
    values = read_whole(tmp_path / "a.czi")
    np.testing.assert_array_equal(values, blue_first[..., ::-1].transpose(2, 0, 1))


def test_an_nd2_without_calibration_has_no_sizes(tmp_path):
    pytest.importorskip("nd2")
    axes = open_reader(saved(tmp_path, "nd2", calibrated=False)).description.axes
    assert [axis.spacing for axis in axes] == [2.5, 1.5, None, None]


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("czi", {"scenes": (0, 1)}, r"holds 2 images \(scene 1, scene 2\): choose .*a\.czi#1\.$"),
        ("czi", {"planes": 11}, "lacks some of its planes: it has 11 of 12"),
        ("nd2", {"positions": 2}, r"holds 2 images \(position 1, position 2\): choose one"),
        ("nd2", {"frames": 5}, "lacks some of its planes: it has 5 of 6"),
        ("lif", {"names": ("cell", "nucleus")}, r"holds 2 images \(cell, nucleus\)"),
    ],
)
def test_several_images_and_missing_planes_are_refused(tmp_path, kind, options, message):
    pytest.importorskip(KINDS[kind])
    with pytest.raises(Mistake, match=message):
        open_reader(saved(tmp_path, kind, **options))


SEVERAL = {
    "czi": ({"scenes": (0, 2, 5), "apart": 6}, "scene 3"),
    "nd2": ({"positions": 3}, "position 2"),
    "lif": ({"names": ("cell", "Nucleus 1", "Nucleus")}, "nucleus 1"),
}


def test_a_name_or_a_number_chooses_an_image(tmp_path, kind):
    options, name = SEVERAL[kind]
    path = saved(tmp_path, kind, **options)
    for chosen in (name, "2"):
        reader = pickle.loads(pickle.dumps(open_reader(f"{path}#{chosen}")))
        np.testing.assert_array_equal(
            reader.read(*whole(reader)), STACK.transpose(1, 0, 2, 3, 4) + 1
        )
        assert str(reader).casefold() == f"{path}#{name}".casefold()
    with pytest.raises(Mistake, match=r"no image '4': choose from .*, or by number from 1 to"):
        open_reader(f"{path}#4")


@pytest.mark.parametrize("kind", KINDS)
def test_the_extra_is_named_where_it_is_missing(tmp_path, kind, monkeypatch):
    (tmp_path / f"a.{kind}").write_bytes(b"")
    monkeypatch.setitem(sys.modules, KINDS[kind], None)
    monkeypatch.delitem(sys.modules, f"srlab.io.microscopy.makers.{kind}", raising=False)
    with pytest.raises(Mistake, match=rf"{KINDS[kind]} library: .* 'srlab\[microscopes\]'"):
        open_reader(tmp_path / f"a.{kind}")
