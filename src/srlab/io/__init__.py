"""Readers and writers of image files: one window at a time, in physical units.

`open_reader` and `create_writer` choose the class by the ending of a file's name. The table of
formats is in ``formats``; one entry of it is a `Format`, in ``format``.

Each folder holds one kind of file:

- ``raster``: whatever GDAL reads, GeoTIFF, Zarr, netCDF and Sentinel-2 products
- ``image``: PNG, JPEG, WebP and BMP as outputs; as inputs they are rasters
- ``microscopy``: OME-TIFF, OME-Zarr, ImageJ's TIFFs and the formats of microscope makers
- ``volume``: NIfTI, MGH, Analyze and DICOM
- ``video``: videos, and folders of frames
- ``array``: NumPy files, plain Zarr arrays, and arrays in memory

Some endings belong to several kinds, so ``tiff``, ``zarr_store`` and ``img`` look into the file.

All formats share:

- ``protocols``: the interfaces `Reader` and `Writer`
- ``description``: the size, axes, channels and place of an image, whatever its format
- ``handle``: an open file for each process
- ``isolated``: a reader in a process of its own
- ``damage``: errors of libraries over damaged files, as one line for the user
- ``windows``: checks of windows
- ``selection``, ``variables``: the choice of bands
- ``images``: the choice of an image in a file of several, by a name such as ``a.lif#cell``
- ``naming``: the names of outputs, by those of their inputs
- ``stored``: conversion of physical values into the values of a file's type
- ``clipping``: counts of values that are outside the range of that type
- ``staging``: the blocks of an unfinished output, on the disk
- ``write_errors``: errors of writing, such as a full disk, as one line for the user
- ``lossy``: formats that change values as they encode them
- ``seekable_gzip``: random access to compressed files
- ``exif``: EXIF data
- ``zarr_arrays``: arrays and codecs of Zarr stores
- ``blosc``: checks of chunks that Blosc compressed
- ``provenance``: the note in an output that says how it was made
- ``agreement``: whether a file suits a model, by its header and its values

Readers that change what other readers give:

- ``masked``: pixels of some classes, such as clouds, are hidden
- ``dates``: several dates of one place become channels
- ``guided``: finer bands become channels beside coarser ones
- ``grey``: a grey picture becomes red, green and blue
- ``across``: axes are reordered
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from srlab.files import (
    PathLike,
    existing_file,
    existing_path,
    file_and_image,
    is_remote,
    new_file,
    refuse_device,
    sole_writer,
)
from srlab.io.description import Axis, Channel, Description, Geometry, Ground
from srlab.io.format import Format
from srlab.io.formats import REMOTE, advice_on_ending, find_format, recognised
from srlab.io.protocols import Provenance, Reader, Writer
from srlab.mistakes import Mistake

__all__ = [
    "Axis",
    "Channel",
    "Description",
    "Geometry",
    "Ground",
    "Provenance",
    "Reader",
    "Writer",
    "create_writer",
    "open_reader",
    "reserved",
]


def open_reader(path: PathLike, *, bands: Sequence[int | str] | None = None) -> Reader:
    """Open a file of any supported format; `bands` chooses channels by number from 1 or by name.

    Of a file of several images one is chosen behind its name, such as ``a.lif#cell`` or, by its
    number from 1, ``a.lif#2``. Where the name has no ending, the first bytes of the file tell its
    format. For a folder, such as a DICOM series, those of its files do. GDAL opens its own kinds of
    names, such as ``/vsizip/a.zip/b.tif`` or a URL.

    Raises a `Mistake` if there is no such file or image, its format is unknown, it is damaged or it
    lacks the bands; a `SeveralImages` if it holds several and none is chosen.
    """
    form = REMOTE if is_remote(path) else _read_format(path)
    reader: Reader = form.load("reader")(path, bands=bands)
    return reader


def create_writer(
    path: PathLike,
    description: Description,
    *,
    provenance: Provenance,
    source: PathLike | None = None,
    overwrite: bool = False,
    options: Mapping[str, str | None] | None = None,
) -> Writer:
    """Return a writer for an image of this `description`, in the format of the name's ending.

    `source` is the input, which is never overwritten. `options` are settings of the format, such
    as ``{"compression": "zstd"}``; None stands for the format's default. The disk is untouched
    until `Writer.prepare`.

    Raises a `Mistake` if the file exists and `overwrite` is false, if it is `source`, or if its
    folder cannot be written to. Also raises one if the format is unknown, lacks an option or
    cannot hold the image.
    """
    form = _written_format(path, source)
    file = new_file(path, overwrite=overwrite, source=source, folder=form.folder)
    chosen = {name: value for name, value in (options or {}).items() if value is not None}
    for name, value in chosen.items():
        _check_option(form, name, value, path)
    writer: Writer = form.load("writer")(file, description, provenance=provenance, **chosen)
    return writer


@contextmanager
def reserved(
    path: PathLike, *, source: PathLike | None = None, overwrite: bool = False
) -> Iterator[None]:
    """Reserve the name of an output for this process, before the long work of making it.

    The arguments are those of `create_writer`, and a bad name raises the same errors. Raises a
    `BusyFile` if another process writes to the same file, even under another spelling of its path.
    """
    if source is not None and not is_remote(source):
        existing_path(file_and_image(source)[0])  # a missing input is told of before a bad name
    folder = _written_format(path, source).folder
    with sole_writer(new_file(path, overwrite=overwrite, source=source, folder=folder)):
        yield


def _read_format(path: PathLike) -> Format:
    file, image = file_and_image(path)
    refuse_device(file)
    form = find_format(file, "reader") or recognised(file)
    if form is None:
        existing_file(file)
        raise Mistake(
            f"{file} is of no format that can be read: {advice_on_ending(file, 'reader')}"
        )
    if image and not form.several:
        raise Mistake(
            f"{file} is of the format {form.name}, in which # chooses nothing: leave #{image} out. "
            "Bands and variables are chosen by bands=[…]."
        )
    return form


def _written_format(path: PathLike, source: PathLike | None) -> Format:
    form = find_format(str(path), "writer")
    if form is None:
        advice = advice_on_ending(path, "writer", like=source)
        raise Mistake(f"{path} is of no format that can be written: {advice}")
    return form


def _check_option(form: Format, name: str, value: str, path: PathLike) -> None:
    offered = form.options.get(name, ())
    if value in offered:
        return
    choice = f"nothing to choose from, so leave {name} out"
    if offered:
        choice = ", ".join(offered)
    raise Mistake(f"{name} is {value!r} for {path}; {form.name} offers {choice}.")
