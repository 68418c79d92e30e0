"""Nikon's ND2 through the nd2 library."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srlab.files import PathLike
from srlab.io.images import chosen_image
from srlab.io.microscopy.channels import ome_colour
from srlab.io.microscopy.makers.planes import (
    Contents,
    PlaneReader,
    check_all_planes,
    check_axes,
    missing_package,
)
from srlab.io.microscopy.metadata import MICROMETRE, Metadata

try:
    from nd2 import ND2File
except ImportError as error:
    raise missing_package("ND2", "nd2") from error

FRAME = "CYXS"
"""The axes within one frame; S counts the samples of a colour."""


def open_nd2(path: PathLike, *, bands: Sequence[int | str] | None = None) -> PlaneReader:
    """Open a position of an ND2."""
    return PlaneReader(path, opener=Nd2Planes, bands=bands)


class Nd2Planes:
    """An open ND2: a frame holds all channels of a plane, and is mapped unless compressed."""

    def __init__(self, path: Path, wanted: str) -> None:
        self._file = ND2File(path)
        sizes = dict(self._file.sizes)
        positions = sizes.pop("P", 1)
        chosen = chosen_image(self._positions(positions), wanted, path)
        self.image = chosen.name
        self._frame = [sizes.get(name, 1) for name in FRAME]
        loops = {name: size for name, size in sizes.items() if name not in FRAME}
        check_axes(path, loops)
        planes = positions * prod(loops.values())
        check_all_planes(path, self._file.attributes.sequenceCount, planes)
        self._number = {
            (place.get("T", 0), place.get("Z", 0)): number
            for number, place in enumerate(self._file.loop_indices)
            if place.get("P", 0) == chosen.place
        }
        kept = {name.lower(): sizes.get(name, 1) for name in "TZYX"}
        count = self._frame[0] * self._frame[-1]
        self.contents = Contents(kept, [np.dtype(self._file.dtype)] * count, self._metadata())

    def read(
        self, *, t: int, z: int, channels: Sequence[int], rows: slice, columns: slice
    ) -> NDArray[Any]:
        """Read ``(C, H, W)``: a part of some channels of one plane."""
        frame = self._file.read_frame(self._number.get((t, z), 0)).reshape(self._frame)
        part = np.moveaxis(frame[:, rows, columns], -1, 1)
        return part.reshape(-1, *part.shape[2:])[list(channels)]

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def __del__(self) -> None:
        """Close what a program or a refusal left open, of which the library would warn."""
        if "_file" in vars(self):  # it could be opened
            self._file.close()

    def _positions(self, count: int) -> list[str]:
        """Return the names of the positions, or their numbers from 1 where they have none."""
        names = [f"position {number}" for number in range(1, count + 1)]
        for loop in self._file.experiment:
            if loop.type == "XYPosLoop" and len(loop.parameters.points) == count:
                points = zip(names, loop.parameters.points, strict=True)
                names = [point.name or name for name, point in points]
        return names

    def _metadata(self) -> Metadata:
        spacing, names, colours = {}, [], []
        for each in self._file.metadata.channels or ():
            names.append(each.channel.name)
            colour = each.channel.color
            colours.append(ome_colour(colour.r, colour.g, colour.b))
            # A size of an axis that was not calibrated is 1.
            known = zip("xyz", each.volume.axesCalibration, each.volume.axesCalibrated, strict=True)
            spacing = {name: (float(size), MICROMETRE) for name, size, told in known if told}
        for loop in self._file.experiment:
            if loop.type == "TimeLoop" and loop.parameters.periodMs > 0:
                spacing["t"] = (loop.parameters.periodMs / 1000, "s")
        return Metadata(spacing, tuple(names), tuple(colours))
