"""Spatial axes: settings with one number for each axis, and windows with one slice for each."""

from __future__ import annotations

from collections.abc import Sequence

from srlab.mistakes import Mistake

Window = tuple[slice, ...]
"""One ``slice(start, stop)`` of pixels for each spatial axis."""


def per_axis(
    value: int | Sequence[int], spatial_dims: int, *, name: str = "", least: int = 1
) -> tuple[int, ...]:
    """Return one integer for each spatial axis: ``4 -> (4, 4)`` and ``[1, 4, 4] -> (1, 4, 4)``.

    Raises a `Mistake`, which begins with `name` if it is given, if an entry is below `least` or
    there are not `spatial_dims` entries.
    """
    if isinstance(value, Sequence):
        axes = tuple(value)
    else:
        axes = (value,) * check_spatial_dims(spatial_dims)
    if len(axes) != spatial_dims or not all(is_count(entry, least=least) for entry in axes):
        got = f"{name} is" if name else "got"
        raise Mistake(
            f"{got} {value!r} for {spatial_dims} spatial axes; give "
            f"one integer >= {least}, or one for each axis."
        )
    return axes


def window_shape(window: Window) -> tuple[int, ...]:
    """Return the number of pixels of a window along each axis."""
    return tuple(span.stop - span.start for span in window)


def common(first: Window, second: Window) -> Window:
    """Return the intersection of two windows, which must not be empty."""
    pairs = zip(first, second, strict=True)
    return tuple(slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in pairs)


def relative(window: Window, within: Window) -> Window:
    """Return a window relative to the first pixel of the window that contains it."""
    pairs = zip(window, within, strict=True)
    return tuple(slice(a.start - b.start, a.stop - b.start) for a, b in pairs)


def enlarged(window: Window, scale: Sequence[int]) -> Window:
    """Return the same window in the pixels of an image that is finer by `scale` along each axis."""
    pairs = zip(window, scale, strict=True)
    return tuple(slice(span.start * factor, span.stop * factor) for span, factor in pairs)


def check_spatial_dims(spatial_dims: int) -> int:
    """Return `spatial_dims` if it is 2 or 3, and raise a `Mistake` otherwise."""
    if spatial_dims not in (2, 3):
        raise Mistake(
            f"spatial_dims is {spatial_dims!r}; it must be 2 (images) or 3 (volumes, video)."
        )
    return spatial_dims


def check_counts(*, least: int = 1, **values: object) -> None:
    """Raise a `Mistake` that names the first of `values` that is no whole number >= `least`."""
    for name, value in values.items():
        if not is_count(value, least=least):
            raise Mistake(f"{name} is {value!r}; give a whole number >= {least}.")


def is_count(value: object, *, least: int = 0) -> bool:
    """Whether `value` is an integer (not a boolean) of at least `least`."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
