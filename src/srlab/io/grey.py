"""Grey pictures, read as colour pictures by models and datasets that want red, green and blue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.files import PathLike
from srlab.io import open_reader
from srlab.io.description import RGB_COLOURS
from srlab.io.protocols import Reader
from srlab.mistakes import MissingBand


class GreyAsColour:
    """A reader that repeats one grey band as each of `bands`, which are some of R, G and B.

    The tag ``SRLAB_GREY`` notes the repetition, and passes into an output made of the file.
    """

    def __init__(self, reader: Reader, bands: Sequence[str]) -> None:
        self._reader = reader
        self._count = len(bands)
        grey = reader.description.channels[0]
        channels = [replace(grey, name=band, colour=RGB_COLOURS[band]) for band in bands]
        tags = {**reader.description.tags, "SRLAB_GREY": f"repeated as {', '.join(bands)}"}
        self.description = replace(reader.description, channels=tuple(channels), tags=tags)

    def __str__(self) -> str:
        return str(self._reader)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` in physical units; all bands are equal."""
        return self._reader.read(window).repeat(self._count, axis=0)

    def close(self) -> None:
        """Release the file."""
        self._reader.close()


def open_as_colour(path: PathLike, *, bands: Sequence[int | str]) -> Reader:
    """Open a file as `open_reader` does, but repeat the band of a grey picture as R, G and B.

    Raises what `open_reader` raises.
    """
    try:
        return open_reader(path, bands=bands)
    except MissingBand:
        channels = open_reader(path).description.channels
        opaque = [channel.colour for channel in channels if channel.colour != "alpha"]
        names = [_colour_name(band) for band in bands]
        if opaque != ["grey"] or not set(names) <= set(RGB_COLOURS):
            raise
        return GreyAsColour(open_reader(path, bands=[1]), names)


def _colour_name(band: int | str) -> str:
    """Return R, G or B for 1, 2 or 3; anything else as it is."""
    if band in (1, 2, 3):
        return list(RGB_COLOURS)[int(band) - 1]
    return str(band)
