"""Opening Nikon's ND2, by the library nd2."""

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
"""The axes within a frame; S counts the samples of a pixel."""


def open_nd2(path: PathLike, *, bands: Sequence[int | str] | None = None) -> PlaneReader:
    """Open a position of an ND2."""
    return PlaneReader(path, opener=Nd2Planes, bands=bands)


class Nd2Planes:
    """A position of an open ND2.

    A frame of the file holds all channels of a plane. It is mapped into memory, unless the file is
    compressed.
    """

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
        # The number of each frame of this position in the file, by its time and z.
        self._number: dict[tuple[int, int], int] = {}
        for number, loops_at in enumerate(self._file.loop_indices):
            if loops_at.get("P", 0) == chosen.index:
                self._number[loops_at.get("T", 0), loops_at.get("Z", 0)] = number
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
        """Close the file if nothing else did, since the library would warn of an open one."""
        if "_file" in vars(self):  # opening did not fail
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
        for entry in self._file.metadata.channels or ():
            names.append(entry.channel.name)
            colour = entry.channel.color
            colours.append(ome_colour(colour.r, colour.g, colour.b))
            # Without calibration, the size of a pixel is 1, which means nothing.
            volume = entry.volume
            axes = zip("xyz", volume.axesCalibration, volume.axesCalibrated, strict=True)
            spacing = {name: (float(size), MICROMETRE) for name, size, is_known in axes if is_known}
        for loop in self._file.experiment:
            if loop.type == "TimeLoop" and loop.parameters.periodMs > 0:
                spacing["t"] = (loop.parameters.periodMs / 1000, "s")
        return Metadata(spacing, tuple(names), tuple(colours))
