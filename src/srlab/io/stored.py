"""Conversion of physical values into stored ones: ``physical = stored · scale + offset``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from srlab.mistakes import Mistake

Array = NDArray[Any]
PerChannel = float | NDArray[np.float64]


def to_stored(
    physical: NDArray[np.float32],
    *,
    scale: PerChannel,
    offset: PerChannel,
    dtype: np.dtype[Any],
    nodata: float | None,
) -> Array:
    """Return the stored values of physical ones, with NaN as `nodata`.

    Integers are rounded to the nearest, halves to even, and clipped to the range of `dtype`. If a
    valid value would be stored as `nodata`, it becomes the next value above or below.

    Raises a `Mistake` for a NaN if `dtype` is an integer and there is no `nodata`.
    """
    exact = _unscaled(physical, scale, offset, dtype)
    low, high = float(exact.min()), float(exact.max())  # NaN if a value is missing
    if not np.isnan(low) and (nodata is None or _is_far(nodata, low, high, dtype)):
        return _converted(exact, low, high, dtype)

    missing = np.isnan(exact)
    if dtype.kind in "iu" and missing.any():
        if nodata is None:
            raise Mistake(
                f"{np.count_nonzero(missing)} values are NaN, and a file of {dtype} without a "
                "nodata value cannot hold them: write float32, or give the input file a nodata "
                "value."
            )
        exact = np.where(missing, exact.dtype.type(0), exact)
    stored = _converted(exact, low, high, dtype)
    if nodata is None or np.isnan(nodata):
        return stored
    below, above, reach = _neighbours(nodata, dtype)
    clash = ~missing & _is_within(stored, nodata, reach)
    came_from = exact[clash].astype(np.float64)
    stored[clash] = np.where(came_from < nodata, below, above).astype(dtype)
    stored[missing] = nodata
    return stored


def without_infinities(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return values with NaN instead of infinite ones, which count as no data."""
    infinite = np.isinf(values)
    if not infinite.any():
        return values
    return np.where(infinite, np.float32(np.nan), values)


def holds(dtype: np.dtype[Any], value: float) -> bool:
    """Whether an integer type can store a value exactly, or a float type approximately."""
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return bool(np.isfinite(dtype.type(value)) or not np.isfinite(value))
    limits = np.iinfo(dtype)
    return bool(np.isfinite(value) and limits.min <= value <= limits.max and value == int(value))


def _unscaled(
    physical: NDArray[np.float32], scale: PerChannel, offset: PerChannel, dtype: np.dtype[Any]
) -> Array:
    """Undo scale and offset: in float64, unless float32 is as exact for this type."""
    is_exact_in_float32 = dtype == np.float32 or (dtype.kind in "iu" and dtype.itemsize <= 2)
    if is_exact_in_float32 and np.all(scale == 1.0) and np.all(offset == 0.0):
        return physical
    return (physical.astype(np.float64) - offset) / scale


def _is_far(nodata: float, low: float, high: float, dtype: np.dtype[Any]) -> bool:
    """Whether no value from `low` to `high` can become `nodata` as it is stored."""
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        low, high = min(low, limits.max), max(high, limits.min)
    _, _, reach = _neighbours(nodata, dtype)
    return nodata < low - 2 * reach or nodata > high + 2 * reach


def _is_within(stored: Array, nodata: float, reach: float) -> NDArray[np.bool_]:
    """Return which stored values differ from `nodata` by less than `reach`."""
    if stored.dtype.kind in "iu" and stored.dtype.itemsize <= 4:
        return np.equal(stored, int(nodata))
    return np.abs(stored.astype(np.float64) - nodata) < reach


def _converted(exact: Array, low: float, high: float, dtype: np.dtype[Any]) -> Array:
    """Return values in `dtype`, rounded and clipped if it is an integer.

    `low` and `high` are the smallest and the largest of the values; NaN if unknown.
    """
    if dtype.kind == "f":
        with np.errstate(over="ignore"):  # values too large for float32 become infinite
            return exact.astype(dtype)
    limits = np.iinfo(dtype)
    if not (limits.min <= low and high <= limits.max):
        largest = float(limits.max)
        if int(largest) > limits.max:
            # The largest int64 rounds up as a float64, which would wrap around to the smallest.
            largest = float(np.nextafter(largest, 0))
        exact = exact.clip(float(limits.min), largest)
    return np.rint(exact, out=np.empty(exact.shape, dtype), casting="unsafe")


def _neighbours(nodata: float, dtype: np.dtype[Any]) -> tuple[float, float, float]:
    """Return the nearest values below and above `nodata` that readers tell from it, and the step.

    At the end of the range of `dtype`, both are the one that exists.
    """
    if dtype.kind == "f":
        info = np.finfo(dtype)
        # GDAL takes values within 4 ulp (of float32) of nodata for nodata, also in float64 files.
        step = max(8 * float(np.finfo(np.float32).eps) * abs(nodata), float(info.tiny))
        lowest, highest = float(info.min), float(info.max)
    else:
        step, lowest, highest = 1, np.iinfo(dtype).min, np.iinfo(dtype).max
    below, above = nodata - step, nodata + step
    if below < lowest:
        below = above
    elif above > highest:
        above = below
    return below, above, step
