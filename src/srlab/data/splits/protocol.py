"""The interface of splits into training and validation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from srlab.data.places.regions import Region


class Parted(NamedTuple):
    """The regions of files for training, and those held out for validation.

    The training regions of a file share no pixel. A crop may reach from one into the next.
    """

    training: list[Region]
    held_out: list[Region]


class Split(Protocol):
    """Decides which regions are held out, as a function of its arguments and the files alone."""

    def __call__(self, regions: Sequence[Region]) -> Parted:
        """Split regions, each a whole file.

        Raises a `Mistake` if either part would be empty.
        """


def assigned(groups: Sequence[Sequence[Region]], held: Collection[int]) -> Parted:
    """Hold out the groups with the indices `held`, and train on the others."""
    parted = Parted([], [])
    for place, group in enumerate(groups):
        side = parted.held_out if place in held else parted.training
        side.extend(group)
    return parted
