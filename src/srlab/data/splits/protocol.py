"""The interface of splits into training and validation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from srlab.data.regions import Region


class Parted(NamedTuple):
    """The parts of files that train, and those that training never sees.

    The regions of a file for training share no pixel. A crop may reach from one into the next.
    """

    training: list[Region]
    held_out: list[Region]


class Split(Protocol):
    """Decides what is held out, as a function of its arguments and the files alone."""

    def __call__(self, regions: Sequence[Region]) -> Parted:
        """Split regions, each of a file of its own.

        Raises a `Mistake` where either part would be empty.
        """


def assigned(groups: Sequence[Sequence[Region]], held: Collection[int]) -> Parted:
    """Hold out the groups at some places of a list, and train on the others."""
    parted = Parted([], [])
    for place, group in enumerate(groups):
        side = parted.held_out if place in held else parted.training
        side.extend(group)
    return parted
