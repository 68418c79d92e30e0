"""Physical values to and from the values that a file stores: ``physical = stored · scale + offset``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from srlab.mistakes import Mistake

Array = NDArray[Any]


def to_stored(
    physical: NDArray[np.float32],
    *,
    scale: float | NDArray[np.float64],
    offset: float | NDArray[np.float64],
    dtype: np.dtype[Any],
    nodata: float | None,
) -> Array:
    """Turn physical values into those to be stored, NaN into `nodata`.

    Integers are rounded to the nearest, halves to even, and clipped to the range of `dtype`. A valid value that
    would come out as `nodata` is moved to its neighbour on the side it came from, so no valid pixel is lost.

    Raises
    ------
    ValueError
        Where there is a NaN, `dtype` is an integer and there is no `nodata`.
    """
    exact = (physical.astype(np.float64) - offset) / scale
    missing = np.isnan(exact)
    whole = dtype.kind in "iu"
    if whole and nodata is None and missing.any():
        raise Mistake(
            f"{np.count_nonzero(missing)} values are NaN, and a file of {dtype} without a nodata value cannot hold "
            "them: write float32, or give the input file a nodata value."
        )
    with np.errstate(over="ignore"):  # what overflows a float32 is infinite there
        stored = _rounded(exact, dtype) if whole else exact.astype(dtype)
    if nodata is not None and not np.isnan(nodata):
        below, above, reach = _neighbours(nodata, dtype)
        clash = ~missing & (np.abs(stored.astype(np.float64) - nodata) < reach)
        stored[clash] = np.where(exact[clash] < nodata, below, above).astype(dtype)
        stored[missing] = nodata
    return stored


def holds(dtype: np.dtype[Any], value: float) -> bool:
    """Whether `dtype` can store `value` exactly, or at all for floating point."""
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return bool(np.isfinite(dtype.type(value)) or not np.isfinite(value))
    limits = np.iinfo(dtype)
    return bool(np.isfinite(value) and limits.min <= value <= limits.max and value == int(value))


def _rounded(exact: NDArray[np.float64], dtype: np.dtype[Any]) -> Array:
    limits = np.iinfo(dtype)
    # the largest int64 is no float64: the one above it would wrap around to the most negative integer
    largest = float(limits.max)
    largest = np.nextafter(largest, 0) if int(largest) > limits.max else largest
    return (
        np.rint(np.nan_to_num(exact, nan=0.0, posinf=largest, neginf=limits.min))
        .clip(limits.min, largest)
        .astype(dtype)
    )


def _neighbours(nodata: float, dtype: np.dtype[Any]) -> tuple[float, float, float]:
    """Return the nearest storable values below and above that no reader takes for `nodata`, and their distance."""
    if dtype.kind == "f":
        info = np.finfo(dtype)
        # GDAL takes what lies within 4 float32 ulp of nodata for nodata, in float64 files too
        step = max(8 * float(np.finfo(np.float32).eps) * abs(nodata), float(info.tiny))
        lowest, highest = float(info.min), float(info.max)
    else:
        step, lowest, highest = 1, np.iinfo(dtype).min, np.iinfo(dtype).max
    below, above = nodata - step, nodata + step
    return (below if below >= lowest else above), (above if above <= highest else below), step
