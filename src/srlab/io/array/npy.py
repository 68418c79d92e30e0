"""An ``.npy``: one array in a file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from srlab.files import PathLike, existing_file
from srlab.io.array.reader import ArrayFileReader
from srlab.io.array.staged import StagedArray, in_one
from srlab.io.array.stored import Mapped, StoredArray, check_size, read_layout
from srlab.io.array.writer import ArrayFileWriter
from srlab.io.description import Description
from srlab.io.protocols import Provenance


def open_npy(path: PathLike, *, bands: Sequence[int | str] | None = None) -> ArrayFileReader:
    """Open an ``.npy``; `bands` are numbers from 1."""
    return ArrayFileReader(existing_file(path), array_in, bands=bands)


def array_in(path: Path) -> dict[str, StoredArray]:
    """Return the array of an ``.npy``, without a name.

    Raises a `Mistake` if the header claims more bytes than the file has.
    """
    with path.open("rb") as file:
        layout = read_layout(file, path)
    check_size(path, layout, path.stat().st_size)
    return {"": Mapped(path, layout)}


def create_npy(path: Path, description: Description, *, provenance: Provenance) -> ArrayFileWriter:
    """Return a writer of an ``.npy``, which has no room for the provenance."""
    return ArrayFileWriter(
        path, description, provenance=provenance, arrange=in_one, encode=_rename_staged
    )


def _rename_staged(path: Path, arrays: Sequence[StagedArray], tags: Mapping[str, str]) -> None:
    (array,) = arrays  # its staging file is an .npy already
    os.replace(array.staging.path, path)
