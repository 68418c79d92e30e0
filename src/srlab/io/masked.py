"""Images in which some pixels are hidden by a mask of classes, such as clouds."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.io.protocols import Reader
from srlab.mistakes import Mistake

HIDDEN = "SRLAB_HIDDEN"
"""The tag that notes which classes of which mask are hidden."""


class HiddenClasses:
    """A reader that gives NaN for all pixels whose class in the mask is among `classes`.

    The mask has one channel, whose values are classes. Its pixels are as large as those of the
    image, or a whole number of times as large; then one covers several pixels of the image.

    Where the mask itself holds no data, the class is its nodata value. If the mask has no such
    value, these pixels are hidden. The tag ``SRLAB_HIDDEN`` notes what is hidden.

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
        """Read ``(C, *window)`` in physical units, NaN for hidden pixels and where data lack."""
        classes = self._classes_of(window)
        hidden = np.isin(classes, self._classes)
        if self._unknown_hidden:
            hidden |= np.isnan(classes)
        return np.where(hidden, np.float32(np.nan), self._reader.read(window))

    def _classes_of(self, window: Window) -> NDArray[np.float32]:
        """Return the class of each pixel of the image in a window, in the shape of the window."""
        coarse = []
        for span, factor in zip(window, self._factors, strict=True):
            coarse.append(slice(span.start // factor, ceil(span.stop / factor)))
        classes: NDArray[np.float32] = self._mask.read(tuple(coarse))[0]
        for axis, (span, factor) in enumerate(zip(window, self._factors, strict=True)):
            # The mask's first pixel may begin before the window.
            first = span.start % factor
            inside = np.arange(first, first + span.stop - span.start)
            classes = classes.repeat(factor, axis=axis).take(inside, axis=axis)
        return classes

    def close(self) -> None:
        """Release both files."""
        self._reader.close()
        self._mask.close()


def _factors(reader: Reader, mask: Reader) -> list[int]:
    """Return the number of the image's pixels in a pixel of the mask, along each axis."""
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
