"""The interface of engines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from srlab.models.super_resolver import SuperResolver
from srlab.prediction.job import Job
from srlab.prediction.journal import Journal
from srlab.prediction.network.device import Devices
from srlab.prediction.outcome import Outcome


class Engine(Protocol):
    """Makes an output. It decides who computes a block and when, and changes none of its bytes."""

    def threads(self) -> int:
        """Return the threads that networks have on a CPU in each process, if none are asked for.

        Another number may change the last bit of what a network computes.
        """

    def devices(self, asked: Devices) -> Devices:
        """Return how many devices a process computes on, given the number that is `asked` for.

        Raises a `Mistake` if the engine cannot use that number.
        """

    def __call__(
        self,
        models: Sequence[SuperResolver],
        job: Job,
        *,
        journal: Journal | None = None,
        progress: bool = False,
    ) -> Outcome:
        """Compute and write what the journal does not list as done.

        Whatever fails, nothing stands under the output's name, and finished blocks are kept.
        """
