"""Opening Leica's LIF, by the library liffile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from srlab.files import PathLike
from srlab.io.images import chosen_image
from srlab.io.microscopy.channels import ome_colour
from srlab.io.microscopy.makers.planes import (
    Contents,
    PlaneReader,
    check_axes,
    missing_package,
)
from srlab.io.microscopy.metadata import MICROMETRE, Metadata

try:
    from liffile import LifFile
except ImportError as error:
    raise missing_package("LIF", "liffile") from error

COLOURS = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "cyan": (0, 255, 255),
    "magenta": (255, 0, 255),
    "yellow": (255, 255, 0),
    "gray": (255, 255, 255),
}
"""The colour of a channel by the name of its look-up table."""

AXES = "TCZYX"
"""The order of axes in which values are read here."""

NAMES = {"1": "x", "2": "y", "3": "z", "4": "t"}
"""The axes by Leica's numbers."""

MICROMETRES = {"m": 1e6, "mm": 1e3, "µm": 1.0, "um": 1.0, "nm": 1e-3}
"""Micrometres per unit of length."""


def open_lif(path: PathLike, *, bands: Sequence[int | str] | None = None) -> PlaneReader:
    """Open an image of a LIF; its name begins with those of the folders that it is in."""
    return PlaneReader(path, opener=LifPlanes, bands=bands)


class LifPlanes:
    """An image of an open LIF, mapped into memory."""

    def __init__(self, path: Path, wanted: str) -> None:
        self._file = LifFile(path)
        images = list(self._file.images)
        chosen = chosen_image([image.path for image in images], wanted, path)
        self.image = chosen.name
        image = images[chosen.index]
        check_axes(path, image.sizes)
        axes = list(image.sizes)
        order = [axes.index(name) for name in AXES if name in axes]
        values = image.asarray(out="memmap").transpose(order)
        # An axis with a single entry is not listed, and becomes an axis of length 1 here.
        missing = [number for number, name in enumerate(AXES) if name not in axes]
        self._values = np.expand_dims(values, tuple(missing))
        kept = {name.lower(): image.sizes.get(name, 1) for name in "TZYX"}
        types = [np.dtype(image.dtype)] * image.sizes.get("C", 1)
        self.contents = Contents(kept, types, _metadata(image.xml_element))

    def read(
        self, *, t: int, z: int, channels: Sequence[int], rows: slice, columns: slice
    ) -> NDArray[Any]:
        """Read ``(C, H, W)``: a part of some channels of one plane."""
        part: NDArray[Any] = self._values[t, list(channels), z, rows, columns]
        return part

    def close(self) -> None:
        """Release the file."""
        self._file.close()


def _metadata(image: Element) -> Metadata:
    """Read the XML of an image."""
    description = "./Data/Image/ImageDescription"
    spacing = {}
    for axis in image.iterfind(f"{description}/Dimensions/DimensionDescription"):
        name = NAMES.get(axis.get("DimID", ""))
        # The length is the distance from the first pixel to the last.
        steps = int(axis.get("NumberOfElements", 0)) - 1
        step = abs(float(axis.get("Length", 0))) / max(steps, 1)
        unit = axis.get("Unit", "")
        if name == "t" and step > 0:
            spacing[name] = (step, unit or "s")
        elif name and step > 0 and unit in MICROMETRES:
            spacing[name] = (step * MICROMETRES[unit], MICROMETRE)
    channels = image.iterfind(f"{description}/Channels/ChannelDescription")
    tables = [channel.get("LUTName", "") for channel in channels]
    colours = [COLOURS.get(table.lower()) for table in tables]
    numbers = tuple(ome_colour(*colour) if colour else "" for colour in colours)
    tags = {"OME_NAME": image.get("Name", "")} if image.get("Name") else {}
    return Metadata(spacing, tuple(tables), numbers, tags)
