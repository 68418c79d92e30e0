"""The writer of files that hold nothing but numbers, in blocks from any process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.io.array.staged import StagedArray, plain
from srlab.io.clipping import Clipping
from srlab.io.description import Description
from srlab.io.protocols import Provenance
from srlab.io.windows import check_block
from srlab.io.write_errors import write_errors_as_mistake

log = logging.getLogger(__name__)

Arrange = Callable[[Path, Description], list[StagedArray]]
"""A function that groups the channels of an image into arrays."""

Encode = Callable[[Path, Sequence[StagedArray], Mapping[str, str]], None]
"""A function that makes the finished file of the staged arrays and the tags."""


class ArrayFileWriter:
    """The writer of an ``.npy``, an ``.npz`` or plain Zarr arrays, depending on `encode`.

    The name may state the axes, as in ``x.zyx.npy`` or ``x.yxc.npy``. Otherwise a plane of one
    channel is ``(H, W)``, and other images begin with the channels, as ``(C, D, H, W)``.

    Integers are rounded to the nearest, halves to even, and clipped. The place of the image is
    lost, with a warning. Until `finish`, the blocks lie in a folder beside `path`.

    Raises a `Mistake` if arrays cannot hold the image. `prepare`, `write` and `finish`
    raise a `FailedWrite` if the disk is full.
    """

    def __init__(
        self,
        path: Path,
        description: Description,
        *,
        provenance: Provenance,
        arrange: Arrange,
        encode: Encode,
    ) -> None:
        self.path = path
        self._provenance, self._encode = provenance, encode
        self._loses_place = description.geometry is not None
        self._description = plain(path, description)
        self.chunks = (1,) * len(description.shape)
        self.clipping = Clipping(self._description.channels)
        self._arrays = arrange(path, self._description)

    def prepare(self) -> None:
        """Begin the unfinished files."""
        if self._loses_place:
            log.warning("%s will not hold the place of its pixels, as the input does", self.path)
        for array in self._arrays:
            array.staging.prepare()

    def resume(self) -> bool:
        """Go on with the files that an ended process began, if they are there."""
        return all(array.staging.is_begun for array in self._arrays)

    def write(self, window: Window, array: NDArray[np.float32]) -> None:
        """Write ``(C, *window)``, NaN where there is no data.

        Raises a `Mistake` if the window does not fit the image, or the array does not fit the
        window. Also raises one for a NaN that nothing can mark.
        """
        check_block(window, array, len(self._description.channels), self._description.shape)
        self.clipping.count(array)
        for staged in self._arrays:
            staged.write(window, array)

    def sync(self) -> None:
        """Have the disk hold all that was written."""
        for array in self._arrays:
            array.staging.sync()

    def finish(self) -> None:
        """Complete the file and give it its name."""
        tags = {**self._provenance.tags(), **self.clipping.tags}
        with write_errors_as_mistake(self.path):
            self._encode(self.path, self._arrays, tags)
        self.clipping.report(self.path)
        self.discard()

    def discard(self) -> None:
        """Remove the unfinished files."""
        for array in self._arrays:
            array.staging.discard()
