"""The channels of a microscope's file, by what it says of their names and colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from srlab.io.description import Channel


def named_channels(
    names: Sequence[str], colours: Sequence[str], types: Sequence[np.dtype[Any]]
) -> tuple[Channel, ...]:
    """Describe the channels of these `types`, one for each.

    Their `names` count if there is one for each channel, and each is another. Otherwise they are
    numbers from 1. `colours` are as `ome_colour` writes them; where their number differs, there
    are none.
    """
    count = len(types)
    if len(names) != count or len(set(names)) < count or not all(names):
        names = [str(number) for number in range(1, count + 1)]
    if len(colours) != count:
        colours = [""] * count
    channels = []
    for name, colour, dtype in zip(names, colours, types, strict=True):
        tags = {"OME_COLOR": colour} if colour else {}
        described = None if name.isdigit() else name
        channels.append(Channel(name, dtype=dtype, description=described, tags=tags))
    return tuple(channels)


def ome_colour(red: int, green: int, blue: int) -> str:
    """Return a colour of 0 to 255 each as OME-XML's signed number of RRGGBBAA."""
    number = red << 24 | green << 16 | blue << 8 | 0xFF
    return str(number - (1 << 32) if number >> 31 else number)
