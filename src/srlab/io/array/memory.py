"""An array in memory, read and written like a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srlab.axes import Window
from srlab.io.clipping import Clipping
from srlab.io.description import Axis, Channel, Description
from srlab.io.stored import without_infinities


class ArrayReader:
    """A reader of an array ``(C, *S)`` in physical units; values that are not finite are no data.

    Channels are called 1, 2, … unless `names` are given. `name` stands for the path in messages.
    """

    def __init__(
        self, array: NDArray[Any], *, names: Sequence[str] | None = None, name: str = "array"
    ) -> None:
        self._array = array
        self._name = name
        numbers = [str(number) for number in range(1, len(array) + 1)]
        channels = [Channel(name, dtype=array.dtype) for name in names or numbers]
        shape = array.shape[1:]
        axes = [Axis(name) for name in "tzyx"[-len(shape) :]]
        self.description = Description(shape, tuple(axes), tuple(channels))

    def __str__(self) -> str:
        return self._name

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)``, NaN where the array holds no data."""
        with np.errstate(over="ignore"):  # values too large for float32 become infinite
            return without_infinities(self._array[(slice(None), *window)].astype(np.float32))

    def close(self) -> None:
        """Nothing to release."""


class ArrayWriter:
    """A writer into an array ``(C, *S)`` in memory, for results that fit there: `array`."""

    def __init__(self, channels: int, shape: Sequence[int]) -> None:
        self.array: NDArray[np.float32] = np.empty((channels, *shape), dtype=np.float32)
        self.chunks = (1,) * len(shape)
        self.clipping = Clipping([Channel(str(number)) for number in range(channels)])
        self.prepare()

    def prepare(self) -> None:
        """Begin with no data anywhere."""
        self.array.fill(np.nan)

    def resume(self) -> bool:
        """Return False: the memory of an earlier process is gone."""
        return False

    def write(self, window: Window, array: NDArray[np.float32]) -> None:
        """Keep ``(C, *window)``."""
        self.array[(slice(None), *window)] = array

    def sync(self) -> None:
        """Nothing to flush: the array is not on a disk."""

    def finish(self) -> None:
        """Nothing to finish."""

    def discard(self) -> None:
        """Nothing to remove."""
