"""`Format`: an entry of the table of file formats in `srlab.io.formats`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from srlab.io.array.axes import stated
from srlab.io.lossy import Lossy

Role = Literal["reader", "writer"]

ARRAY_SUFFIXES = (".npy", ".npz", ".zarr")
"""The suffixes before which a file name may state the axes of an array, as in ``x.zyx.npy``."""


@dataclass(frozen=True)
class Format:
    """A file format: the suffixes of its file names, and the classes that read and write it.

    `reader` and `writer` are names, written ``module:Class``, so that a format's libraries are
    imported only when it is used. None means that the format cannot be read, or cannot be written.
    A reader is made as ``reader(path, bands=bands)``, and a writer as
    ``writer(path, description, provenance=provenance, **options)``.
    """

    name: str
    suffixes: tuple[str, ...]
    reader: str | None = None
    writer: str | None = None

    folder: bool = False
    """Whether the image is a folder of files, such as ``x.zarr``."""

    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The values that each option of the writer may have, the default first."""

    slow: bool = False
    """Whether reading a window is slow, for example because the whole file must be decoded."""

    floats: bool = True
    """Whether the writer can store floating-point values."""

    keeps_place: bool = True
    """Whether the writer stores where the pixels lie."""

    lossy: str | None = None
    """The name of the `srlab.io.lossy.Lossy` of an encoder that changes values; None: none does."""

    lossless_codecs: tuple[str, ...] = ()
    """The codecs of a lossy format that store values exactly."""

    written_as: str = ".tif"
    """The suffix of an output for an input of this format, if the format has no writer."""

    own_pixels: bool = True
    """Whether the pixels are in the file itself, so that its hash identifies the image."""

    several: bool = False
    """Whether a file may hold several images, of which its reader's path chooses one.

    See `srlab.io.images.chosen_image`.
    """

    magic: tuple[int, bytes] | None = None
    """An offset and the bytes found there, which identify files whose names have no suffix."""

    first_of_each: str | None = None
    """For images of several files: the name of a function that keeps one file of each image.

    Any file of such an image opens all of it. So does the folder, if it holds no other image.
    """

    def target(self, role: Role) -> str | None:
        """Return the name of the class that reads or writes the format, or None."""
        return {"reader": self.reader, "writer": self.writer}[role]

    def load(self, role: Role) -> Any:
        """Import the class that reads or writes the format."""
        return _imported(str(self.target(role)))

    def loss(self, codec: str | None = None) -> Lossy | None:
        """Return how values are changed as they are written by a codec, or None."""
        if self.lossy is None or codec in self.lossless_codecs:
            return None
        found: Lossy = _imported(self.lossy)
        return found

    def claims(self, path: Path) -> bool:
        """Whether a file is of this format, by its suffix, or by its first bytes if it has none.

        Digits after the last point are not a suffix: DICOM names often end in a number.
        """
        if ending(path.name, self.suffixes):
            return True
        if self.magic is None or not re.fullmatch(r"(\.\d*)?", path.suffix):
            return False
        return begins(path, *self.magic)

    def whole(self, paths: Sequence[Path]) -> Sequence[Path]:
        """Return one file of each image among `paths`, of which several may be one image."""
        if self.first_of_each is None:
            return paths
        first_files: Sequence[Path] = _imported(self.first_of_each)(paths)
        return first_files


def ending(name: str, suffixes: Sequence[str]) -> str | None:
    """Return the longest of `suffixes` with which a file's name ends, or None; case is ignored.

    ``Path.suffix`` would not do, since it is only ``.tif`` for a name in ``.ome.tif``. If the name
    of an array states its axes, they are part of the result, as in ``.zyx.npy``.
    """
    fitting = [suffix for suffix in suffixes if name.lower().endswith(suffix.lower())]
    longest = max(fitting, key=len, default=None)
    axes = stated(Path(name))
    if axes and longest and longest.lower() in ARRAY_SUFFIXES:
        return f".{axes}{longest}"
    return longest


def begins(file: Path, offset: int, content: bytes) -> bool:
    """Whether a file holds `content`, `offset` bytes from its start; False if it is unreadable."""
    if not file.is_file():  # opening a pipe could wait for ever
        return False
    try:
        with file.open("rb") as opened:
            opened.seek(offset)
            return opened.read(len(content)) == content
    except OSError:  # permission denied, for example
        return False


def _imported(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)
