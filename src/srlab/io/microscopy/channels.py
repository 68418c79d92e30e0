"""Descriptions of the channels of a microscope's file, by their names and colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from srlab.io.description import Channel


def named_channels(
    names: Sequence[str], colours: Sequence[str], types: Sequence[np.dtype[Any]]
) -> tuple[Channel, ...]:
    """Describe channels; `types` has an entry for each.

    `names` are used if there is one for each channel and all differ. Otherwise the names are
    numbers from 1. `colours` are those of `ome_colour`, and are left out if their number differs.
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
    """Return an opaque colour, its parts from 0 to 255, as OME-XML writes it.

    That is the number RRGGBBAA, taken as a signed integer of 32 bits.
    """
    return str(int.from_bytes((red, green, blue, 255), "big", signed=True))
