"""The reader of Sentinel-2 products: bands by name, in reflectance × 10 000."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.files import PathLike, existing_path
from srlab.io.damage import COPY_AGAIN
from srlab.io.description import Channel
from srlab.io.raster.reader import RasterReader
from srlab.io.raster.sentinel2.metadata import UNIT
from srlab.io.raster.sentinel2.product import CLASSES, BandFile, Product, open_product
from srlab.mistakes import Mistake

NODATA = 0.0
"""The stored value of pixels without data."""


class Sentinel2Reader:
    """A reader of a SAFE folder, or of a zip of one, of level 1C or 2A.

    `bands` are names, such as ``[B04, B03, B02]`` or ``[B05, SCL]``; None chooses the bands of
    10 m. ``SCL`` is the scene classification of level 2A, whose values are classes. All bands are
    read on one grid without resampling; `Product.choose` tells which one.

    The metadata of the product tell scale and offset. Pixels whose stored value is 0 have no data.

    Raises a `Mistake` if the path is no such product, if it lacks a band, or if nothing tells the
    meaning of its stored values.
    """

    def __init__(self, path: PathLike, *, bands: Sequence[int | str] | None = None) -> None:
        self.path = existing_path(path)
        self._chosen = bands and list(bands)
        product = open_product(self.path)
        files = product.choose(bands)
        self._readers = [RasterReader(file.path) for file in files]
        descriptions = [reader.description for reader in self._readers]
        shapes = {description.shape for description in descriptions}
        if len(shapes) > 1 or any(len(each.channels) > 1 for each in descriptions):
            raise Mistake(
                f"the bands of {path} are of {len(shapes)} sizes or have several channels, and "
                f"each is one channel of one size. {COPY_AGAIN}"
            )
        channels = [_channel(product, file) for file in files]
        first = replace(descriptions[0], tags=product.tags, colour_profile={})
        self.description = first.with_channels(channels)

    def __str__(self) -> str:
        return str(self.path)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(Sentinel2Reader, bands=self._chosen), (str(self.path),)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` in physical units, NaN where the product has no data."""
        stored = np.concatenate([reader.read(window) for reader in self._readers])
        for values, channel in zip(stored, self.description.channels, strict=True):
            empty = values == NODATA
            values *= np.float32(channel.scale)
            values += np.float32(channel.offset)
            values[empty] = np.nan
        return stored

    def close(self) -> None:
        """Release the files."""
        for reader in self._readers:
            reader.close()


def _channel(product: Product, file: BandFile) -> Channel:
    if file.name == CLASSES:
        return Channel(CLASSES, "class", np.dtype(np.uint8), nodata=NODATA, description=CLASSES)
    radiometry = product.radiometry
    return Channel(
        name=file.name,
        unit=UNIT,
        dtype=np.dtype(np.uint16),
        scale=radiometry.scale,
        offset=radiometry.offset(file.name),
        nodata=NODATA,
        description=file.name,
    )
