"""Whole files for validation."""

from __future__ import annotations

from collections.abc import Sequence

from srlab.data.regions import Region, evenly
from srlab.data.splits.protocol import Parted
from srlab.mistakes import Mistake


class WholeFiles:
    """Holds out every k-th of several files, or the end of the only one.

    A share of `fraction` is held out: of N files, so that both parts cover the whole list. Of one
    file it is the end of the longest axis.
    """

    def __init__(self, *, fraction: float) -> None:
        self.fraction = checked_fraction(fraction)

    def __call__(self, regions: Sequence[Region]) -> Parted:
        """Split regions, each of a file of its own."""
        if len(regions) == 1:
            first, second = _parted(regions[0], self.fraction)
            return Parted([first], [second])
        held = chosen_evenly(len(regions), self.fraction)
        training = [region for place, region in enumerate(regions) if place not in held]
        return Parted(training, [regions[place] for place in held])


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


def _parted(only: Region, fraction: float) -> tuple[Region, Region]:
    """Cut a region in two along its longest axis, the second part `fraction` of it."""
    longest = max(only.shape)
    axis = only.shape.index(longest)
    # At least a pixel for either part, unless there is only one.
    cut = max(min(round(longest * (1 - fraction)), longest - 1), 1)
    start, first, second = [0] * len(only.shape), [*only.shape], [*only.shape]
    start[axis], first[axis], second[axis] = cut, cut, longest - cut
    return only.part([0] * len(start), first), only.part(start, second)
