"""Grey pictures where colour is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.files import PathLike
from srlab.io import open_reader
from srlab.io.protocols import Reader
from srlab.mistakes import MissingBand

COLOURS = {"R": "red", "G": "green", "B": "blue"}


class GreyAsColour:
    """A reader of one grey band that is given as each of the `bands`, for example R, G and B.

    The tag ``SRLAB_GREY`` records it in what is made of the file.
    """

    def __init__(self, reader: Reader, bands: Sequence[str]) -> None:
        self._reader = reader
        self._count = len(bands)
        grey = reader.description.channels[0]
        channels = [replace(grey, name=each, colour=COLOURS[each]) for each in bands]
        tags = {**reader.description.tags, "SRLAB_GREY": f"repeated as {', '.join(bands)}"}
        self.description = replace(reader.description, channels=tuple(channels), tags=tags)

    def __str__(self) -> str:
        return str(self._reader)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` in physical units, all bands alike."""
        return self._reader.read(window).repeat(self._count, axis=0)

    def close(self) -> None:
        """Release the file."""
        self._reader.close()


def open_as_colour(path: PathLike, *, bands: Sequence[int | str]) -> Reader:
    """Open a file as `open_reader` does; the band of a grey picture is repeated as R, G and B."""
    try:
        return open_reader(path, bands=bands)
    except MissingBand:
        channels = open_reader(path).description.channels
        seen = [channel.colour for channel in channels if channel.colour != "alpha"]
        names = [[*COLOURS][each - 1] if each in (1, 2, 3) else each for each in bands]
        if seen != ["grey"] or not set(names) <= set(COLOURS):
            raise
        return GreyAsColour(open_reader(path, bands=[1]), [str(name) for name in names])
