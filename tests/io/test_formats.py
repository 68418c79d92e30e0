"""The table of formats, and those of other packages."""

import sys
from importlib import import_module
from importlib.metadata import EntryPoint

import pytest

from srlab.io import Axis, Channel, Description, Provenance, create_writer, formats, open_reader
from srlab.io.format import ending
from srlab.io.formats import FORMATS, find_format, known_formats, may_be_folder

STRANGERS = """
from srlab.io.formats import Format

class Thing:
    def __init__(self, path, *args, **options):
        self.path, self.args, self.options = path, args, options

PLATES = Format("plates", (".ome.tif", ".plates"), "strangers:Thing", "strangers:Thing")
FOLDERS = Format("folders", (".zarr",), "strangers:Thing", "strangers:Thing", folder=True)
NOTHING = 7
"""


@pytest.fixture
def strangers(tmp_path, monkeypatch):
    """Install a package with formats of its own."""
    (tmp_path / "strangers.py").write_text(STRANGERS)
    monkeypatch.syspath_prepend(tmp_path)
    names = ["PLATES", "FOLDERS"]

    def entry_points(group):
        assert group == "srlab.formats"
        return [EntryPoint(name, f"strangers:{name}", group) for name in names]

    monkeypatch.setattr(formats, "entry_points", entry_points)
    known_formats.cache_clear()
    yield names
    known_formats.cache_clear()
    sys.modules.pop("strangers", None)


def test_every_class_of_the_table_is_there():
    for form in FORMATS:
        for role in ("reader", "writer"):
            if form.target(role):
                assert form.load(role).__name__ in form.target(role)


def test_the_longest_ending_of_the_whole_name_counts():
    cases = [
        *(("a.nii.gz", ".nii.gz"), ("A.OME.TIF", ".ome.tif"), ("a.tif", ".tif"), ("a.gz", None)),
        *(("a.npy", ".npy"), ("a.zyx.npy", ".zyx.npy"), ("a.xy.npy", ".npy"), ("zyx.npy", ".npy")),
    ]
    for name, end in cases:
        assert ending(name, [".tif", ".ome.tif", ".nii", ".nii.gz", ".npy"]) == end


def test_strangers_formats_are_read_and_written(tmp_path, strangers):
    thing = import_module("strangers").Thing
    description = Description((2, 3), (Axis("y"), Axis("x")), (Channel("a"),))
    made = Provenance("srlab", "0")
    assert isinstance(open_reader(tmp_path / "a.ome.tif"), thing)
    assert find_format("a.tif", "reader") is FORMATS[0]
    assert open_reader(tmp_path / "a.Plates", bands=[2]).options == {"bands": [2]}
    writer = create_writer(tmp_path / "o.plates", description, provenance=made)
    assert (writer.path, writer.args) == (tmp_path / "o.plates", (description,))
    assert writer.options == {"provenance": made}

    (tmp_path / "x.zarr").mkdir()
    with pytest.raises(FileExistsError, match="exists"):
        create_writer(tmp_path / "x.zarr", description, provenance=made)
    replacing = create_writer(tmp_path / "x.zarr", description, provenance=made, overwrite=True)
    assert isinstance(replacing, thing)


def test_an_entry_point_that_is_no_format_is_refused(strangers):
    strangers.append("NOTHING")
    with pytest.raises(ValueError, match=r"'NOTHING' of the group srlab.formats is 7; its value"):
        open_reader("a.tif")


def test_folders_are_images_unless_all_such_names_are_files():
    for suffix, may in [(".zarr", True), (".SAFE", True), (".TIF", False)]:
        assert may_be_folder(suffix) is may
