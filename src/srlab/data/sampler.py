"""StepSampler: the dataset positions of each training step, a function of the step alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count


class StepSampler:
    """Endless batches of positions for one rank, from a given step on.

    Step t takes the positions ``[t·G, (t + 1)·G)`` of the training dataset, with the global batch
    ``G = ranks · accumulate · batch_size``. Each rank takes its own share. There are no epochs.
    """

    def __init__(
        self, *, batch_size: int, accumulate: int, rank: int, ranks: int, start: int
    ) -> None:
        self.share = batch_size * accumulate
        self.rank = rank
        self.ranks = ranks
        self.start = start

    def __iter__(self) -> Iterator[list[int]]:
        for step in count(self.start):
            yield list(self.positions(step))

    def positions(self, step: int) -> range:
        """Return the positions that this rank loads in a step."""
        first = (step * self.ranks + self.rank) * self.share
        return range(first, first + self.share)
