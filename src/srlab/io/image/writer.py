"""PNG and JPEG out, of images of any size."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.files import replaced
from srlab.io.description import Channel, Description
from srlab.io.formats import ending
from srlab.io.protocols import Provenance
from srlab.io.raster.writer import StagedBlocks, write_geotiff, writing
from srlab.mistakes import FailedWrite, Mistake


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

    last: bytes
    """The end of a complete file."""


_PNG = _Encoding(
    "PNG",
    dtypes=("uint8", "uint16"),
    counts=(1, 2, 3, 4),
    largest=2**31 - 1,
    most=2**62,
    options={"WRITE_METADATA_AS_TEXT": "YES"},
    last=b"IEND\xaeB`\x82",
)
_JPEG = _Encoding(
    "JPEG",
    dtypes=("uint8",),
    counts=(1, 3),
    largest=65500,  # libjpeg's limit
    most=2**28,  # it fits its Huffman tables to the whole picture, with 3 bytes a pixel until then
    options={"QUALITY": 95},
    last=b"\xff\xd9",
)
_ENCODINGS = {".png": _PNG, ".jpg": _JPEG, ".jpeg": _JPEG}


class ImageWriter:
    """A PNG, or a JPEG of quality 95, with colours, tags and profile, without a place on the Earth.

    Until `finish` the blocks lie in a hidden file beside `path`. Both formats are written from top
    to bottom then, so memory stays bounded. The provenance stands in a PNG's text and a JPEG's EXIF
    data. A PNG keeps the nodata value as its transparent colour, a JPEG does not. A PNG has
    an alpha band in the place of a mask.

    Raises a `Mistake` if the format cannot hold the type, the bands, a mask, or the scale and
    offset. `prepare`, `write` and `finish` raise a `FailedWrite` if the disk is full.
    """

    chunks = (1, 1)

    def __init__(self, path: Path, description: Description, *, provenance: Provenance) -> None:
        self.path = path
        self._provenance = provenance
        self._encoding = _ENCODINGS[ending(path.name, [*_ENCODINGS]) or ""]
        description = replace(description, geometry=None)
        self._adds_alpha = self._encoding == _PNG and StagedBlocks(path, description).masked
        if self._adds_alpha:
            alpha = Channel("A", dtype=description.dtype, colour="alpha")
            description = description.with_channels([*description.channels, alpha])
        self._blocks = StagedBlocks(path, description)
        problem = _problem(self._encoding, self._blocks)
        if problem:
            raise Mistake(f"{path} cannot be written: {problem}. Write a .tif.")

    def prepare(self) -> None:
        """Begin the hidden file."""
        self._blocks.staging.prepare()

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

    def finish(self) -> None:
        """Encode the picture by way of an uncompressed GeoTIFF, and give it its name."""
        encoding = self._encoding
        geotiff = self.path.with_name(f".{self.path.name}.partial.tif")
        try:
            write_geotiff(geotiff, self._blocks, self._provenance)
            with replaced(self.path, suffix=".picture") as unfinished:
                with writing(self.path):
                    if encoding == _JPEG:
                        _tag(geotiff, self._provenance)
                    rasterio.shutil.copy(
                        geotiff, unfinished, driver=encoding.driver, **encoding.options
                    )
                if not _ends_in(unfinished, encoding.last):
                    raise FailedWrite(f"{self.path} cannot be written: is the disk full?")
        finally:
            geotiff.unlink(missing_ok=True)
        self._blocks.clipping.report(self.path)
        self.discard()

    def discard(self) -> None:
        """Remove the hidden file."""
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
    if any((channel.scale, channel.offset) != (1.0, 0.0) for channel in channels):
        return f"values have a scale and an offset, and {name} holds neither"
    if blocks.masked:
        return f"pixels are marked empty by a mask, and {name} holds none"
    if max(height, width) > encoding.largest:
        return f"{pixels} {name} holds {encoding.largest} along an axis"
    if height * width > encoding.most:
        return f"{pixels} for {name} memory stays bounded up to {encoding.most}"
    return None


def _tag(geotiff: Path, provenance: Provenance) -> None:
    """Put the provenance where GDAL looks for it when it writes EXIF data."""
    made = f"{provenance.description}, model SHA-256 {provenance.model}"
    settings = provenance.tags().get("SETTINGS")
    if settings:
        made += f", settings {settings}"
    # Not in the JPEG's comment: rasterio turns the values of options into capitals.
    with rasterio.open(geotiff, "r+") as dataset:
        dataset.update_tags(EXIF_Software=provenance.software, EXIF_ImageDescription=made)


def _ends_in(file: Path, last: bytes) -> bool:
    with file.open("rb") as opened:
        opened.seek(-len(last), os.SEEK_END)
        return opened.read() == last
