"""Checks of the arguments of objectives and penalties."""

from __future__ import annotations

from srlab.axes import is_count
from srlab.mistakes import Mistake


def check_label_smoothing(value: float) -> float:
    """Return `value` if it is in [0, 1); raise a `Mistake` otherwise."""
    if not 0 <= value < 1:
        raise Mistake(f"label_smoothing is {value}; it must be at least 0 and below 1.")
    return value


def check_weight(name: str, value: float) -> float:
    """Return `value` if it is a finite number of at least 0; raise a `Mistake` otherwise."""
    if not 0 <= value < float("inf"):
        raise Mistake(f"penalty.{name} is {value}; it must be a finite number of at least 0.")
    return value


def check_interval(value: int) -> int:
    """Return `value` if it is a whole number of at least 1; raise a `Mistake` otherwise."""
    if not is_count(value, least=1):
        raise Mistake(
            f"penalty.interval is {value}; it must be a whole number of updates, at least 1."
        )
    return value
