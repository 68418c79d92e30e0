"""An array in memory, read and written like a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from srlab.io.protocols import Window


@dataclass(frozen=True)
class NoGeometry:
    """Pixels that lie nowhere in the world."""

    pixel_size: None = None

    def scaled(self, scale: Sequence[int]) -> NoGeometry:  # noqa: D102
        return self


class ArrayReader:
    """Reads windows from an array ``(C, *S)``, NaN where it holds no data."""

    def __init__(
        self,
        array: NDArray[np.generic],
        *,
        channels: Sequence[str] | None = None,
        name: str = "array",
    ) -> None:
        self._array = array
        self._name = name
        self.shape = array.shape[1:]
        self.channels = tuple(channels or (str(number) for number in range(1, len(array) + 1)))
        self.dtype = array.dtype
        self.geometry = NoGeometry()

    def __str__(self) -> str:
        return self._name

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)``."""
        return self._array[(slice(None), *window)].astype(np.float32)

    def close(self) -> None:
        """Nothing to release."""


class ArrayWriter:
    """Collects ``(C, *S)`` in memory, where the result is known to fit: `array` holds it."""

    def __init__(self, channels: int, shape: Sequence[int]) -> None:
        self.array: NDArray[np.float32] = np.full((channels, *shape), np.nan, dtype=np.float32)

    def write(self, window: Window, array: NDArray[np.float32]) -> None:
        """Keep ``(C, *window)``."""
        self.array[(slice(None), *window)] = array

    def close(self) -> None:
        """Nothing to finish."""

    def abort(self) -> None:
        """Nothing to remove."""
