"""The writer of OME-Zarr images, in blocks from any process."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.files import replaced_folder
from srlab.io.description import Description
from srlab.io.microscopy.ome_zarr_metadata import NAMES, made_image
from srlab.io.microscopy.pyramid import halved, level_sizes
from srlab.io.microscopy.staged import StagedStack
from srlab.io.protocols import Provenance
from srlab.io.windows import chunk_windows
from srlab.io.write_errors import write_errors_as_mistake
from srlab.io.zarr_arrays import compressor

SIDE = 256
"""The side in pixels of the chunks of a plane."""

Array = NDArray[Any]


class OmeZarrWriter:
    """The writer of an OME-Zarr with a pyramid, of version 0.4 (Zarr 2) or 0.5 (Zarr 3).

    The axes are c, y and x, and also t and z if the image has them. Integers are rounded to the
    nearest, halves to even, and clipped. A channel without a colour becomes white, since the
    standard demands a colour. `compression` is ``zstd``, ``deflate`` or ``none``.

    Until `finish`, the blocks lie in the folder ``NAME.partial`` beside `path`. Then each chunk is
    written once.

    Raises a `Mistake` if an OME-Zarr cannot hold the image. `prepare`, `write` and `finish`
    raise a `FailedWrite` if the disk is full.
    """

    def __init__(
        self,
        path: Path,
        description: Description,
        *,
        provenance: Provenance,
        ome_version: str = "0.4",
        compression: str = "zstd",
    ) -> None:
        self.path = path
        self._description = description
        self._provenance = provenance
        self._version = ome_version
        self._compression = compression
        self._stack = StagedStack(path, description, format_name="OME-Zarr")
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

        Raises a `Mistake` if the window does not fit the store, or the array does not fit the
        window. Also raises one for a NaN among integers.
        """
        self._stack.write(window, array)

    def sync(self) -> None:
        """Have the disk hold all that was written."""
        self._staging.sync()

    def finish(self) -> None:
        """Encode the store level by level, and give it its name."""
        with (
            write_errors_as_mistake(self.path),
            replaced_folder(self.path, suffix=".zarr") as unfinished,
        ):
            self._encode(unfinished)
        self.clipping.report(self.path)
        self.discard()

    def discard(self) -> None:
        """Remove the unfinished file."""
        self._staging.discard()

    def _encode(self, target: Path) -> None:
        root = zarr.open_group(target, mode="w", zarr_format=_FORMATS[self._version])
        sizes = level_sizes(*self._description.shape[-2:])
        levels = [self._array(root, str(level), size) for level, size in enumerate(sizes)]
        finest = levels[0]
        for chunk in chunk_windows(finest.shape, finest.chunks):
            finest[chunk] = self._stored(chunk)
        for finer, coarser in pairwise(levels):
            for chunk in chunk_windows(coarser.shape, coarser.chunks):
                coarser[chunk] = halved(finer[_under(chunk, finer.shape)])
        root.attrs.update({**self._provenance.tags(), **self.clipping.tags})
        root.attrs.update(
            made_image(
                self._description,
                levels=len(levels),
                windows=_windows(levels[-1], self._channel_axis),
                version=self._version,
            )
        )

    @property
    def _channel_axis(self) -> int:
        """The axis of the channels in the arrays: behind that of time."""
        return int(self._description.axes[0].name == "t")

    def _array(self, root: Any, name: str, size: tuple[int, int]) -> Any:
        """Create the array of a level, whose planes have `size` rows and columns."""
        leading = list(self._description.shape[:-2])
        leading.insert(self._channel_axis, len(self._description.channels))
        axes = ["c", *(axis.name for axis in self._description.axes)]
        layout: dict[str, Any] = {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
        if self._version == "0.5":
            layout = {"dimension_names": [name for name in NAMES if name in axes]}
        height, width = size
        return root.create_array(
            name,
            shape=(*leading, height, width),
            chunks=(*[1] * len(leading), min(SIDE, height), min(SIDE, width)),
            dtype=self._staging.dtype,
            fill_value=0,
            compressors=compressor(self._compression, zarr_format=_FORMATS[self._version]),
            **layout,
        )

    def _stored(self, chunk: Window) -> Array:
        """Return a chunk of the finest level, from the staged blocks."""
        window = list(chunk)
        planes = window.pop(self._channel_axis)
        values = self._staging.read(tuple(window), planes=planes)
        return np.moveaxis(values, 0, self._channel_axis)


_FORMATS: dict[str, Any] = {"0.4": 2, "0.5": 3}
"""The format of Zarr that each version of OME-Zarr uses."""


def _under(chunk: Window, finer: Sequence[int]) -> Window:
    """Return the window of the finer level, of shape `finer`, that a coarser chunk is made of."""
    *leading, y, x = chunk
    rows = slice(2 * y.start, min(2 * y.stop, finer[-2]))
    columns = slice(2 * x.start, min(2 * x.stop, finer[-1]))
    return (*leading, rows, columns)


def _windows(coarsest: Any, channel_axis: int) -> list[dict[str, float]]:
    """Return the range of values to show of each channel: that of the coarsest level."""
    low = np.full(coarsest.shape[channel_axis], np.inf)
    high = -low
    for chunk in chunk_windows(coarsest.shape, coarsest.chunks):
        values = coarsest[chunk].astype(np.float64)
        values = values[np.isfinite(values)]
        channel = chunk[channel_axis].start
        low[channel] = values.min(initial=low[channel])
        high[channel] = values.max(initial=high[channel])
    windows = []
    for start, end in zip(low.tolist(), high.tolist(), strict=True):
        if start > end:  # a channel without data
            start, end = 0.0, 1.0
        least, most = start, end
        if coarsest.dtype.kind in "iu":
            limits = np.iinfo(coarsest.dtype)
            least, most = float(limits.min), float(limits.max)
        windows.append({"start": start, "end": end, "min": least, "max": most})
    return windows
