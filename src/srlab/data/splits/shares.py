"""The number of files or blocks that a fraction holds out."""

from __future__ import annotations

from srlab.data.places.regions import evenly
from srlab.mistakes import Mistake


def checked_fraction(fraction: float) -> float:
    """Return `fraction` if it lies between 0 and 1, and raise a `Mistake` otherwise."""
    if not 0 < fraction < 1:
        raise Mistake(f"fraction is {fraction}; it must lie between 0 and 1, such as 0.1.")
    return fraction


def share_of(number: int, fraction: float) -> int:
    """Return the number to hold out of `number`: at least one, and never all."""
    return min(max(round(number * fraction), 1), number - 1)


def chosen_evenly(number: int, fraction: float) -> list[int]:
    """Return the indices to hold out of a list of `number`, evenly spread; at least one."""
    return evenly(number, share_of(number, fraction))
