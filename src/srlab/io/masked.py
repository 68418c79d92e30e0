"""Images of which a mask says what is where, such as clouds."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.io.protocols import Reader
from srlab.mistakes import Mistake

HIDDEN = "SRLAB_HIDDEN"
"""The tag that records what is hidden."""


class HiddenClasses:
    """A reader that finds no data where a mask has one of some classes.

    The mask has one channel, whose values are the classes. It is on the grid of the image, or on
    one of pixels that are a whole number of times as large; the class of an image's pixel is that
    of the mask's pixel around it. Where the mask itself holds no data, the class is its nodata
    value. If it has none, such pixels are hidden. The tag ``SRLAB_HIDDEN`` records it.

    Raises a `Mistake` if the mask has several channels, or pixels that do not fit.
    """

    def __init__(self, reader: Reader, mask: Reader, classes: Collection[int]) -> None:
        self._reader, self._mask = reader, mask
        self._classes = sorted(classes)
        self._factors = _factors(reader, mask)
        channels = mask.description.channels
        if len(channels) > 1:
            raise Mistake(
                f"the mask {mask} of {reader} has the {len(channels)} bands "
                f"{', '.join(mask.description.names)}, and one band of classes is wanted. A colour "
                "table counts as colours: save the classes as plain numbers."
            )
        self._unknown_hidden = channels[0].nodata is None or channels[0].nodata in classes
        hidden = f"{', '.join(map(str, self._classes))} of {channels[0].name} in {mask}"
        tags = {**reader.description.tags, HIDDEN: hidden}
        self.description = replace(reader.description, tags=tags)

    def __str__(self) -> str:
        return str(self._reader)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` in physical units, NaN where there is no data or it is hidden."""
        spans = [*zip(window, self._factors, strict=True)]
        around = tuple(slice(span.start // by, -(-span.stop // by)) for span, by in spans)
        classes = self._mask.read(around)[0]
        for axis, (span, by) in enumerate(spans):
            first = span.start % by
            pixels = slice(first, first + span.stop - span.start)
            classes = classes.repeat(by, axis=axis)[(slice(None),) * axis + (pixels,)]
        hidden = np.isin(classes, self._classes)
        if self._unknown_hidden:
            hidden |= np.isnan(classes)
        return np.where(hidden, np.float32(np.nan), self._reader.read(window))

    def close(self) -> None:
        """Release both files."""
        self._reader.close()
        self._mask.close()


def _factors(reader: Reader, mask: Reader) -> list[int]:
    """Return how many pixels of an image one of its mask covers, along each axis."""
    shape, coarse = reader.description.shape, mask.description.shape
    factors = [size // max(side, 1) for size, side in zip(shape, coarse, strict=False)]
    covered = [side * factor for side, factor in zip(coarse, factors, strict=False)]
    if len(shape) != len(coarse) or tuple(covered) != shape:
        raise Mistake(
            f"the mask {', '.join(mask.description.names)} in {mask} has {coarse} pixels and "
            f"{reader} has {shape}; a mask must have as many, or a whole number of times fewer "
            "along each axis."
        )
    return factors
