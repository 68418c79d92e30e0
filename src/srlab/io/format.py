"""One format: the names of its files, and the classes that read and write them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from srlab.io.array.axes import stated

Role = Literal["reader", "writer"]

OF_ARRAYS = (".npy", ".npz", ".zarr")
"""The endings before which a name may state axes."""


@dataclass(frozen=True)
class Format:
    """A kind of file: the ends of its names, and the classes that read and write it.

    A reader is made as ``reader(path, bands=bands)``, a writer as
    ``writer(path, description, provenance=provenance)``. Chosen `options` are further arguments of
    the writer. Both are named ``module:Class``, and are imported when they are first used. None
    says that the format cannot be read, or written.
    """

    name: str
    suffixes: tuple[str, ...]
    reader: str | None = None
    writer: str | None = None

    folder: bool = False
    """Whether it is a folder of files, such as ``x.zarr``."""

    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What a user may choose of its writer; of each the writer's own choice comes first."""

    slow: bool = False
    """Whether a window takes long to read, for example because the whole file is decoded."""

    floats: bool = True
    """Whether its writer takes floats."""

    written_as: str = ".tif"
    """The ending of an output of such an input, where the format itself is not written."""

    own_pixels: bool = True
    """Whether the file holds its pixels itself, and so changes whenever they do."""

    magic: tuple[int, bytes] | None = None
    """The bytes, and their place, by which a file is known whose name has no ending of a format."""

    first_of_each: str | None = None
    """Where several files of a folder are one image: the function that keeps one file of each.

    Any file of an image, or the folder if it holds no other, opens the whole.
    """

    def target(self, role: Role) -> str | None:
        """Return the name of the class that reads or writes the format, or None."""
        return {"reader": self.reader, "writer": self.writer}[role]

    def load(self, role: Role) -> Any:
        """Import the class that reads or writes the format."""
        return _imported(str(self.target(role)))

    def claims(self, path: Path) -> bool:
        """Whether a name ends in one of the endings, or has none and the file begins as it should.

        Digits after a point are no ending but the last number of a DICOM name.
        """
        if ending(path.name, self.suffixes):
            return True
        if self.magic is None or not re.fullmatch(r"(\.\d*)?", path.suffix):
            return False
        return begins(path, *self.magic)

    def whole(self, paths: Sequence[Path]) -> Sequence[Path]:
        """Return one of the files of each image, where several of `paths` may be one."""
        if self.first_of_each is None:
            return paths
        found: Sequence[Path] = _imported(self.first_of_each)(paths)
        return found


def ending(name: str, suffixes: Sequence[str]) -> str | None:
    """Return the longest of `suffixes` in which a file's name ends, in either case, or None.

    The whole name counts: of ``.ome.tif``, ``Path.suffix`` would see the last part alone. Axes that
    the name of an array states belong to its ending, as in ``.zyx.npy``.
    """
    fitting = [suffix for suffix in suffixes if name.lower().endswith(suffix.lower())]
    found = max(fitting, key=len, default=None)
    axes = stated(Path(name))
    if axes and found and found.lower() in OF_ARRAYS:
        return f".{axes}{found}"
    return found


def begins(file: Path, place: int, content: bytes) -> bool:
    """Whether a file that may be read has this content at this place, in bytes."""
    if not file.is_file():  # a pipe would never open
        return False
    try:
        with file.open("rb") as opened:
            opened.seek(place)
            return opened.read(len(content)) == content
    except OSError:  # it may not be read
        return False


def _imported(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)
