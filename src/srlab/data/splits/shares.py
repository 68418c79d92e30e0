"""The share of things that is held out."""

from __future__ import annotations

from srlab.data.regions import evenly
from srlab.mistakes import Mistake


def checked_fraction(fraction: float) -> float:
    """Return a share to hold out, or raise a `Mistake` if it leaves nothing on a side."""
    if not 0 < fraction < 1:
        raise Mistake(f"fraction is {fraction}; it must lie between 0 and 1, such as 0.1.")
    return fraction


def share_of(number: int, fraction: float) -> int:
    """Return how many of a `number` of things to hold out: one at least, and never all."""
    return min(max(round(number * fraction), 1), number - 1)


def chosen_evenly(number: int, fraction: float) -> list[int]:
    """Return places that are spread over a list: a share of `fraction`, at least one."""
    return evenly(number, share_of(number, fraction))
