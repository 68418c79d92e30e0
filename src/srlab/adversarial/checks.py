"""The demands of objectives and penalties on their arguments."""

from __future__ import annotations

from srlab.axes import is_count
from srlab.mistakes import Mistake


def check_label_smoothing(value: float) -> float:
    """Return `value` if it leaves a label; otherwise raise a `Mistake`."""
    if not 0 <= value < 1:
        raise Mistake(f"label_smoothing is {value}; it must be at least 0 and below 1.")
    return value


def check_weight(name: str, value: float) -> float:
    """Return `value` if a penalty can be weighted by it; otherwise raise a `Mistake`."""
    if not 0 <= value < float("inf"):
        raise Mistake(f"penalty.{name} is {value}; it must be a finite number of at least 0.")
    return value


def check_interval(value: int) -> int:
    """Return `value` if it counts updates; otherwise raise a `Mistake`."""
    if not is_count(value, least=1):
        raise Mistake(
            f"penalty.interval is {value}; it must be a whole number of updates, at least 1."
        )
    return value
