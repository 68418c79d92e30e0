"""The interface of splits into training and validation."""

from __future__ import annotations

from collections.abc import Sequence
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
