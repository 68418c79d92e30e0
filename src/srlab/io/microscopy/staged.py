"""The blocks of an unfinished stack, on the disk until a file is encoded from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.io.clipping import Clipping
from srlab.io.description import Description
from srlab.io.staging import Staging
from srlab.io.stored import to_stored
from srlab.io.windows import check_block
from srlab.mistakes import Mistake

AXES = ("yx", "zyx", "tyx", "tzyx")
"""The orders of axes that a stack may have; the channels are counted apart."""


class StagedStack:
    """The values of a stack as they are to be stored: `staging` holds an array ``(C, *S)``.

    `format_name` is for messages, such as ``OME-TIFF``.

    Raises a `Mistake` if a microscope's format cannot hold the image: other axes, a place on the
    Earth or in a patient, or a scale or offset.
    """

    def __init__(self, path: Path, description: Description, *, format_name: str) -> None:
        _check(path, description, format_name)
        self.description = description
        self.clipping = Clipping(description.channels)
        self.staging = Staging(
            path, len(description.channels), description.shape, description.dtype
        )

    def write(self, window: Window, array: NDArray[np.float32]) -> None:
        """Store ``(C, *window)``, rounded and clipped if the type is an integer.

        Raises a `Mistake` if the window does not fit the image, or the array does not fit the
        window. Also raises one for a NaN among integers.
        """
        check_block(window, array, len(self.description.channels), self.description.shape)
        self.clipping.count(array)
        stored = to_stored(array, scale=1.0, offset=0.0, dtype=self.staging.dtype, nodata=None)
        self.staging.write(window, stored)


def _check(path: Path, description: Description, format_name: str) -> None:
    axes = "".join(axis.name for axis in description.axes)
    if axes not in AXES:
        raise Mistake(f"{path} holds the axes t, z, y and x, and the image has {axes}.")
    if description.geometry is not None:
        raise Mistake(
            f"{path} would lose the place of its pixels, which {format_name} cannot hold: write "
            "the format of the input."
        )
    if any(channel.is_scaled for channel in description.channels):
        raise Mistake(f"{path} holds neither scale nor offset, and the channels have them.")
