"""The writer of PNG, JPEG, WebP and BMP, for pictures of any size."""

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
from srlab.io.image.metadata import (
    EncodedMetadata,
    add_to_bmp,
    add_to_jpeg,
    add_to_png,
    add_to_webp,
)
from srlab.io.protocols import Provenance
from srlab.io.raster.staged import StagedBlocks
from srlab.io.raster.writer import write_geotiff, writing
from srlab.io.write_errors import write_errors_as_mistake
from srlab.mistakes import FailedWrite, Mistake

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Encoding:
    """A format of pictures: what it can hold, and how GDAL encodes it."""

    driver: str
    """GDAL's name of the format."""

    dtypes: tuple[str, ...]
    """The types of values that it holds."""

    counts: tuple[int, ...]
    """The numbers of channels that it holds; of 2 or 4 the last is alpha."""

    largest: int
    """The most pixels along an axis."""

    most: int
    """The most pixels in all."""

    options: dict[str, Any]
    """GDAL's options of encoding."""

    add_metadata: Callable[[BinaryIO, BinaryIO, EncodedMetadata], None]
    """A function that copies an encoded picture and adds its metadata."""

    last: bytes = b""
    """The last bytes of a complete file; empty if the header tells the size instead."""

    has_texts: bool = False
    """Whether it holds pairs of key and text, as which GDAL writes the provenance."""

    lacks: str = ""
    """In words, what metadata it cannot hold."""


_PNG = _Encoding(
    "PNG",
    dtypes=("uint8", "uint16"),
    counts=(1, 2, 3, 4),
    largest=2**31 - 1,
    most=2**62,
    options={"WRITE_METADATA_AS_TEXT": "YES"},
    add_metadata=add_to_png,
    last=b"IEND\xaeB`\x82",
    has_texts=True,
)
_JPEG = _Encoding(
    "JPEG",
    dtypes=("uint8",),
    counts=(1, 3),
    largest=65500,  # libjpeg's limit
    most=2**28,  # its Huffman tables need the whole picture in memory, at 3 bytes a pixel
    options={"QUALITY": 95},
    add_metadata=add_to_jpeg,
    last=b"\xff\xd9",
)
_WEBP = _Encoding(
    "WEBP",
    dtypes=("uint8",),
    counts=(3, 4),
    largest=16383,  # the format's limit
    most=2**26,  # encoding needs the whole picture in memory
    options={"LOSSLESS": "YES", "EXACT": "1"},
    add_metadata=add_to_webp,
)
_BMP = _Encoding(
    "BMP",
    dtypes=("uint8",),
    counts=(1, 3),
    largest=2**31 - 1,
    most=2**30,  # the header has 32 bits for the size in bytes
    options={},
    add_metadata=add_to_bmp,
    lacks="EXIF data, a colour profile or the model that made it",
)
_ENCODINGS = {".png": _PNG, ".jpg": _JPEG, ".jpeg": _JPEG, ".webp": _WEBP, ".bmp": _BMP}


class ImageWriter:
    """The writer of a PNG, a JPEG (quality 95), a lossless WebP or a BMP, by the suffix of `path`.

    Colours, EXIF data, colour profile and print density of the input are kept; its place on the
    Earth is not. The EXIF data give the size of the output, and say that it stands upright. A BMP
    keeps the density alone, with a warning.

    PNG and WebP mark empty pixels by an alpha channel instead of a mask. A PNG keeps a nodata value
    as its transparent colour; the other formats do not. The provenance is in the texts of a PNG,
    and in the EXIF data of JPEG and WebP.

    Until `finish`, the blocks lie in a folder beside `path`. Then the picture is encoded from top
    to bottom, which keeps memory bounded; only a WebP is encoded as a whole.

    Raises a `Mistake` if the format cannot hold the type, the channels, a mask, or a scale and
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
        self._metadata = _metadata(description, provenance, self._encoding)
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

        Raises a `Mistake` if the window does not fit the file, or the array does not fit the
        window. Also raises one for a NaN that nothing can mark.
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
                self._add_metadata(encoded, unfinished)
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

    def _add_metadata(self, encoded: Path, unfinished: Path) -> None:
        with (
            write_errors_as_mistake(self.path),
            encoded.open("rb") as source,
            unfinished.open("wb") as target,
        ):
            self._encoding.add_metadata(source, target, self._metadata)

    def discard(self) -> None:
        """Remove the unfinished file."""
        self._blocks.staging.discard()


def _problem(encoding: _Encoding, blocks: StagedBlocks) -> str | None:
    """Return the reason why the format cannot hold the picture, or None."""
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
        return problem + "; the last of 2 or 4 must be alpha" * (4 in encoding.counts)
    if any(channel.is_scaled for channel in channels):
        return f"values have a scale and an offset, and {name} holds neither"
    if blocks.masked:
        return f"pixels are marked empty by a mask, and {name} holds none"
    if max(height, width) > encoding.largest:
        return f"{pixels} {name} holds {encoding.largest} along an axis"
    if height * width > encoding.most:
        return f"{pixels} for {name} memory stays bounded up to {encoding.most}"
    return None


def _metadata(
    description: Description, provenance: Provenance, encoding: _Encoding
) -> EncodedMetadata:
    """Return the metadata of a picture.

    If the format has no texts of its own, the EXIF data hold the provenance.
    """
    exif = description.exif
    if exif or not encoding.has_texts:
        exif = exif.made_by(provenance.software, _provenance_text(provenance))
        exif = exif.of_upright(description.shape, description.density)
    return EncodedMetadata(
        description.shape,
        exif.dump() if exif else b"",
        b64decode(description.colour_profile.get("SOURCE_ICC_PROFILE", "")),
        description.density,
        transparent=description.channels[-1].colour == "alpha",
    )


def _provenance_text(provenance: Provenance) -> str:
    made = f"{provenance.description}, model SHA-256 {provenance.model}"
    settings = provenance.tags().get("SETTINGS")
    return f"{made}, settings {settings}" if settings else made


def _ends_in(file: Path, last: bytes) -> bool:
    with file.open("rb") as opened:
        opened.seek(-len(last), os.SEEK_END)
        return opened.read() == last
