"""Readers and writers of image files, a window at a time, in physical units.

A format is a folder of this package and a line in `srlab.io.formats`, which imports it when needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from srlab.files import PathLike, existing_file, is_remote, new_file, refuse_device, sole_writer
from srlab.io.description import Axis, Channel, Description, Geometry, Ground
from srlab.io.format import Format, Role
from srlab.io.formats import REMOTE, find_format, recognised, suffixes_of
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

    A name without an ending, such as that of a folder of DICOM files, is looked into. A name that
    is GDAL's own, such as ``/vsizip/a.zip/b.tif`` or a URL, is opened by GDAL.

    Raises a `Mistake` if there is no such file, its format is unknown, it is damaged or it lacks
    the bands.
    """
    form: Format | None = REMOTE
    if not is_remote(path):
        refuse_device(path)
        form = find_format(str(path), "reader") or recognised(path)
    if form is None:
        existing_file(path)
        raise Mistake(
            f"{path} is of no format that can be read: its name must end in {_listed('reader')}."
        )
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
    """Return the writer of an image as described, in the format that its name ends in.

    `source` is the input, which is never overwritten. `options` are those that the format offers,
    such as a ``compression``; a value of None is the format's own choice. Nothing is on the disk
    before `prepare`.

    Raises a `Mistake` if the file exists without `overwrite`, is `source` or cannot be written
    there. It does so, too, if the format is unknown, offers no such option or cannot hold what is
    described.
    """
    form = _written_format(path)
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
    """Hold the name of an output before all that it takes to make it; see `create_writer`.

    Raises a `BusyFile` if another process writes there, whichever way its path is spelt, and
    otherwise what `create_writer` raises for a name.
    """
    folder = _written_format(path).folder
    with sole_writer(new_file(path, overwrite=overwrite, source=source, folder=folder)):
        yield


def _written_format(path: PathLike) -> Format:
    form = find_format(str(path), "writer")
    if form is None:
        raise Mistake(
            f"{path} is of no format that can be written: its name must end in {_listed('writer')}."
        )
    return form


def _check_option(form: Format, name: str, value: str, path: PathLike) -> None:
    offered = form.options.get(name, ())
    if value in offered:
        return
    choice = f"nothing to choose from, so leave {name} out"
    if offered:
        choice = ", ".join(offered)
    raise Mistake(f"{name} is {value!r} for {path}; {form.name} offers {choice}.")


def _listed(role: Role) -> str:
    *most, last = suffixes_of(role)
    return f"{', '.join(most)} or {last}"
