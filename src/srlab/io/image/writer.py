"""PNG, JPEG, WebP and BMP out, of images of any size."""

from __future__ import annotations

import logging
import os
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import rasterio.shutil
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.files import replaced
from srlab.io.description import Channel, Description
from srlab.io.format import ending
from srlab.io.image.notes import (
    PictureNotes,
    note_in_bmp,
    note_in_jpeg,
    note_in_png,
    note_in_webp,
)
from srlab.io.protocols import Provenance
from srlab.io.raster.staged import StagedBlocks
from srlab.io.raster.writer import write_geotiff, writing
from srlab.io.write_errors import write_errors_told
from srlab.mistakes import FailedWrite, Mistake

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Encoding:
    driver: str
    dtypes: tuple[str, ...]
    counts: tuple[int, ...]

    largest: int
    """Pixels along an axis."""

    most: int
    """Pixels in all."""

    options: dict[str, Any]

    add_notes: Callable[[BinaryIO, BinaryIO, PictureNotes], None]
    """Copies an encoded picture, with its notes."""

    last: bytes = b""
    """The end of a complete file; empty where its header holds its size."""

    has_texts: bool = False
    """Whether it holds pairs of key and text, which are where GDAL writes the provenance."""

    lacks: str = ""
    """The notes that it cannot hold."""


_PNG = _Encoding(
    "PNG",
    dtypes=("uint8", "uint16"),
    counts=(1, 2, 3, 4),
    largest=2**31 - 1,
    most=2**62,
    options={"WRITE_METADATA_AS_TEXT": "YES"},
    add_notes=note_in_png,
    last=b"IEND\xaeB`\x82",
    has_texts=True,
)
_JPEG = _Encoding(
    "JPEG",
    dtypes=("uint8",),
    counts=(1, 3),
    largest=65500,  # libjpeg's limit
    most=2**28,  # it fits its Huffman tables to the whole picture, with 3 bytes a pixel until then
    options={"QUALITY": 95},
    add_notes=note_in_jpeg,
    last=b"\xff\xd9",
)
_WEBP = _Encoding(
    "WEBP",
    dtypes=("uint8",),
    counts=(3, 4),
    largest=16383,  # the format's limit
    most=2**26,  # it is encoded from the whole picture in memory
    options={"LOSSLESS": "YES", "EXACT": "1"},
    add_notes=note_in_webp,
)
_BMP = _Encoding(
    "BMP",
    dtypes=("uint8",),
    counts=(1, 3),
    largest=2**31 - 1,
    most=2**30,  # the header holds a size of 32 bits
    options={},
    add_notes=note_in_bmp,
    lacks="EXIF data, a colour profile or the model that made it",
)
_ENCODINGS = {".png": _PNG, ".jpg": _JPEG, ".jpeg": _JPEG, ".webp": _WEBP, ".bmp": _BMP}


class ImageWriter:
    """A PNG, a JPEG of quality 95, a lossless WebP or a BMP, without a place on the Earth.

    Colours, EXIF data, profile and density are kept. In the EXIF data the size is that of the
    output, which stands upright. A BMP holds nothing but the density, which a warning says.

    Until `finish` the blocks lie in a folder beside `path`. Pictures are written from top
    to bottom then, so memory stays bounded; a WebP is encoded in memory. The provenance stands in a
    PNG's text, and in the EXIF data of the others. A PNG keeps the nodata value as its transparent
    colour, the others do not. PNG and WebP have an alpha band in the place of a mask.

    Raises a `Mistake` if the format cannot hold the type, the bands, a mask, or the scale and
    offset. `prepare`, `write` and `finish` raise a `FailedWrite` if the disk is full.
    """

    chunks = (1, 1)

    def __init__(self, path: Path, description: Description, *, provenance: Provenance) -> None:
        self.path = path
        self._provenance = provenance
        self._encoding = _ENCODINGS[ending(path.name, [*_ENCODINGS]) or ""]
        tags = {key: text for key, text in description.tags.items() if not key.startswith("EXIF_")}
        description = replace(description, geometry=None, tags=tags)
        takes_alpha = 4 in self._encoding.counts
        self._adds_alpha = takes_alpha and StagedBlocks(path, description).masked
        if self._adds_alpha:
            alpha = Channel("A", dtype=description.dtype, colour="alpha")
            description = description.with_channels([*description.channels, alpha])
        self._notes = _notes(description, provenance, self._encoding)
        self._blocks = StagedBlocks(path, description)
        self.clipping = self._blocks.clipping
        problem = _problem(self._encoding, self._blocks)
        if problem:
            raise Mistake(f"{path} cannot be written: {problem}. Write a .tif.")

    def prepare(self) -> None:
        """Begin the unfinished file."""
        if self._encoding.lacks:
            log.warning("%s will not hold %s: a .png does", self.path, self._encoding.lacks)
        self._blocks.staging.prepare()

    def resume(self) -> bool:
        """Go on with the file that an ended process began, if it is there."""
        return self._blocks.staging.is_begun

    def write(self, window: Window, array: NDArray[np.float32]) -> None:
        """Write ``(C, *window)`` in physical units, NaN where there is no data.

        Raises a `Mistake` if the window does not fit the file, or the array the window. It does so,
        too, if there is a NaN and nothing can mark it.
        """
        if self._adds_alpha:
            opaque = np.float32(np.iinfo(self._blocks.dtype).max)
            valid = ~np.isnan(array).any(axis=0, keepdims=True)
            array = np.concatenate([array, np.where(valid, opaque, np.float32(0))])
        self._blocks.write(window, array)

    def sync(self) -> None:
        """Have the disk hold all that was written."""
        self._blocks.staging.sync()

    def finish(self) -> None:
        """Encode the picture by way of an uncompressed GeoTIFF, and give it its name."""
        geotiff = self.path.with_name(f".{self.path.name}.partial.tif")
        encoded = self.path.with_name(f".{self.path.name}.partial.encoded")
        try:
            write_geotiff(geotiff, self._blocks, self._provenance)
            self._encode(geotiff, encoded)
            with replaced(self.path, suffix=".picture") as unfinished:
                self._add_notes(encoded, unfinished)
        finally:
            for file in (geotiff, encoded):
                file.unlink(missing_ok=True)
        self.clipping.report(self.path)
        self.discard()

    def _encode(self, geotiff: Path, encoded: Path) -> None:
        encoding = self._encoding
        encoded.unlink(missing_ok=True)  # of a run that was killed
        with writing(self.path):
            rasterio.shutil.copy(geotiff, encoded, driver=encoding.driver, **encoding.options)
        if not _ends_in(encoded, encoding.last):
            raise FailedWrite(f"{self.path} cannot be written: is the disk full?")

    def _add_notes(self, encoded: Path, unfinished: Path) -> None:
        with (
            write_errors_told(self.path),
            encoded.open("rb") as source,
            unfinished.open("wb") as target,
        ):
            self._encoding.add_notes(source, target, self._notes)

    def discard(self) -> None:
        """Remove the unfinished file."""
        self._blocks.staging.discard()


def _problem(encoding: _Encoding, blocks: StagedBlocks) -> str | None:
    """Return what the format cannot hold, or None."""
    name, channels = encoding.driver, blocks.description.channels
    height, width = blocks.description.shape
    pixels = f"there are {height} x {width} pixels, and"
    if blocks.dtype.name not in encoding.dtypes:
        return f"values are {blocks.dtype}, and {name} holds {' or '.join(encoding.dtypes)}"
    alpha = channels[-1].colour == "alpha"
    if len(channels) not in encoding.counts or (len(channels) in (2, 4)) != alpha:
        names = ", ".join(blocks.description.names)
        counts = ", ".join(map(str, encoding.counts))
        problem = f"there are {len(channels)} bands ({names}), and {name} holds {counts}"
        return problem + "; the last of 2 or 4 is alpha" * (4 in encoding.counts)
    if any(channel.is_scaled for channel in channels):
        return f"values have a scale and an offset, and {name} holds neither"
    if blocks.masked:
        return f"pixels are marked empty by a mask, and {name} holds none"
    if max(height, width) > encoding.largest:
        return f"{pixels} {name} holds {encoding.largest} along an axis"
    if height * width > encoding.most:
        return f"{pixels} for {name} memory stays bounded up to {encoding.most}"
    return None


def _notes(description: Description, provenance: Provenance, encoding: _Encoding) -> PictureNotes:
    """Return the notes of a picture, and the provenance where they alone can hold it."""
    exif = description.exif
    if exif or not encoding.has_texts:
        exif = exif.made_by(provenance.software, _made(provenance))
        exif = exif.of_upright(description.shape, description.density)
    return PictureNotes(
        description.shape,
        exif.dump() if exif else b"",
        b64decode(description.colour_profile.get("SOURCE_ICC_PROFILE", "")),
        description.density,
        transparent=description.channels[-1].colour == "alpha",
    )


def _made(provenance: Provenance) -> str:
    made = f"{provenance.description}, model SHA-256 {provenance.model}"
    settings = provenance.tags().get("SETTINGS")
    return f"{made}, settings {settings}" if settings else made


def _ends_in(file: Path, last: bytes) -> bool:
    with file.open("rb") as opened:
        opened.seek(-len(last), os.SEEK_END)
        return opened.read() == last
