"""The writer of OME-TIFF, in blocks from any process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffWriter

from srlab.axes import Window
from srlab.files import replaced
from srlab.io.description import Description
from srlab.io.microscopy.pyramid import halved, level_sizes
from srlab.io.microscopy.staged import StagedStack
from srlab.io.protocols import Provenance
from srlab.io.write_errors import write_errors_as_mistake

TILE = 256
"""The side in pixels of the tiles of a plane, each of which is compressed."""

BIG = 2**32 - 2**25
"""The size in bytes beyond which a TIFF must be a BigTIFF, which has longer addresses."""

Array = NDArray[Any]


class OmeTiffWriter:
    """The writer of a tiled, compressed OME-TIFF with a pyramid.

    OME-XML holds the pixel sizes, names, colours and provenance. Planes are ordered by time, then
    channel, then z. Integers are rounded to the nearest, halves to even, and clipped. Until
    `finish`, the blocks lie in a folder beside `path`.

    Raises a `Mistake` if an OME-TIFF cannot hold the image. `prepare`, `write` and `finish`
    raise a `FailedWrite` if the disk is full.
    """

    def __init__(self, path: Path, description: Description, *, provenance: Provenance) -> None:
        self.path = path
        self._description = description
        self._provenance = provenance
        self._stack = StagedStack(path, description, format_name="OME-TIFF")
        self._staging = self._stack.staging
        self.clipping = self._stack.clipping
        self.chunks = (1,) * len(description.axes)  # staged blocks may end anywhere

    def prepare(self) -> None:
        """Begin the unfinished file."""
        self._staging.prepare()

    def resume(self) -> bool:
        """Go on with the file that an ended process began, if it is there."""
        return self._staging.is_begun

    def write(self, window: Window, array: NDArray[np.float32]) -> None:
        """Write ``(C, *window)``, NaN where there is no data.

        Raises a `Mistake` if the window does not fit the file, or the array does not fit the
        window. Also raises one for a NaN among integers.
        """
        self._stack.write(window, array)

    def sync(self) -> None:
        """Have the disk hold all that was written."""
        self._staging.sync()

    def finish(self) -> None:
        """Encode the file plane by plane, level by level, and give it its name."""
        with write_errors_as_mistake(self.path), replaced(self.path, suffix=".tif") as unfinished:
            self._encode(unfinished)
        self.clipping.report(self.path)
        self.discard()

    def discard(self) -> None:
        """Remove the unfinished file."""
        self._staging.discard()

    def _encode(self, target: Path) -> None:
        times, depth, height, width = self._sizes
        planes = (times, self._staging.planes, depth)
        sizes = level_sizes(height, width)
        options: dict[str, Any] = {
            "dtype": self._staging.dtype,
            "tile": (TILE, TILE),
            "compression": "zlib",
            "compressionargs": {"level": 1},
            "photometric": "minisblack",
            "maxworkers": 1,  # with more, any number of tiles could wait in memory
        }
        whole_size = self._staging.size * 4 // 3  # with all coarser levels
        with TiffWriter(target, bigtiff=whole_size > BIG, ome=True) as file:
            file.write(
                self._tiles(0),
                shape=(*planes, *sizes[0]),
                subifds=len(sizes) - 1,
                metadata=self._metadata(),
                software=self._provenance.software,
                **options,
            )
            for level, size in enumerate(sizes[1:], start=1):
                file.write(self._tiles(level), shape=(*planes, *size), subfiletype=1, **options)

    @property
    def _sizes(self) -> tuple[int, int, int, int]:
        """Entries along t, z, y and x."""
        names = [axis.name for axis in self._description.axes]
        sizes = dict(zip(names, self._description.shape, strict=True))
        return sizes.get("t", 1), sizes.get("z", 1), sizes["y"], sizes["x"]

    def _tiles(self, level: int) -> Iterator[Array]:
        """Yield the tiles of a level in the order of the file."""
        times, depth, height, width = self._sizes
        rows, columns = level_sizes(height, width)[level]
        planes = product(range(times), range(self._staging.planes), range(depth))
        corners = list(product(range(0, rows, TILE), range(0, columns, TILE)))
        for plane in planes:
            for top, left in corners:
                yield self._tile(plane, level, top, left)

    def _tile(self, plane: tuple[int, int, int], level: int, top: int, left: int) -> Array:
        """Return a tile ``(H, W)`` of a level, made of the four tiles of the finer level below it.

        No more than four tiles of each level are in memory, whatever the size of the plane.
        """
        _, _, height, width = self._sizes
        rows, columns = level_sizes(height, width)[level]
        bottom, right = min(top + TILE, rows), min(left + TILE, columns)
        if level == 0:
            return self._stored(plane, slice(top, bottom), slice(left, right))
        finer_rows, finer_columns = level_sizes(height, width)[level - 1]
        tops = range(2 * top, min(2 * bottom, finer_rows), TILE)
        lefts = range(2 * left, min(2 * right, finer_columns), TILE)
        finer_tiles = []
        for row in tops:
            finer_tiles.append([self._tile(plane, level - 1, row, column) for column in lefts])
        return halved(np.block(finer_tiles))

    def _stored(self, plane: tuple[int, int, int], rows: slice, columns: slice) -> Array:
        """Return a part of a plane of the finest level, from the staged blocks."""
        time, channel, z = plane
        spans = {"t": slice(time, time + 1), "z": slice(z, z + 1), "y": rows, "x": columns}
        window = tuple(spans[axis.name] for axis in self._description.axes)
        values = self._staging.read(window, planes=slice(channel, channel + 1))
        return values.reshape(values.shape[-2:])

    def _metadata(self) -> dict[str, Any]:
        """Return the content of OME-XML, under tifffile's keys."""
        description, channels = self._description, self._description.channels
        tags = {**self._provenance.tags(), **self.clipping.tags}
        provenance = json.dumps(tags, sort_keys=True)
        metadata: dict[str, Any] = {
            "axes": "TCZYX",
            # The default, a random one, would make two equal files differ.
            "UUID": str(uuid5(NAMESPACE_OID, f"{provenance} {description}")),
            "Channel": {"Name": [channel.name for channel in channels]},
            "Description": provenance,
        }
        colours = [channel.tags.get("OME_COLOR") for channel in channels]
        if all(colours):
            metadata["Channel"]["Color"] = [int(colour or 0) for colour in colours]
        for axis in description.axes:
            if axis.spacing is None:
                continue
            key = "TimeIncrement" if axis.name == "t" else f"PhysicalSize{axis.name.upper()}"
            metadata[key], metadata[f"{key}Unit"] = axis.spacing, axis.unit
        kept_tags = {"OME_NAME": "Name", "OME_ACQUISITION_DATE": "AcquisitionDate"}
        for tag, key in kept_tags.items():
            if tag in description.tags:
                metadata[key] = description.tags[tag]
        return metadata
