"""The Lightning DataModule of all sources."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Sequence
from functools import partial
from multiprocessing.util import Finalize
from typing import Any, cast

import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from srlab.data.sampler import StepSampler
from srlab.data.sources.source import Sample, Source
from srlab.mistakes import Mistake


class DataModule(LightningDataModule):
    """Loads a source's pairs: one batch, in each process, for one generator update.

    A batch is a list of `accumulate` micro-batches of `batch_size` pairs. A resumed run continues
    with the samples of its next step, whatever its number of workers.

    Raises a `Mistake` if a number is too small.
    """

    def __init__(
        self, source: Source, *, batch_size: int, accumulate: int = 1, num_workers: int = 0
    ) -> None:
        super().__init__()
        if batch_size < 1 or accumulate < 1 or num_workers < 0:
            raise Mistake(
                f"loader.batch_size {batch_size} and loader.accumulate {accumulate} must be at "
                f"least 1, and loader.num_workers {num_workers} at least 0."
            )
        self.source = source
        self.batch_size = batch_size
        self.accumulate = accumulate
        self.num_workers = num_workers
        self.start = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the step from which a resumed run continues."""
        assert self.trainer is not None
        return {"step": self.trainer.global_step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from the step of a checkpoint."""
        self.start = state["step"]

    def _sampler(self) -> StepSampler:
        assert self.trainer is not None
        return StepSampler(
            batch_size=self.batch_size,
            accumulate=self.accumulate,
            rank=self.trainer.global_rank,
            ranks=self.trainer.world_size,
            start=self.start,
        )

    def positions(self, step: int) -> Sequence[int]:
        """The positions in the training data that this process sees in a step."""
        return self._sampler().positions(step)

    def train_dataloader(self) -> DataLoader[Sample]:
        """Return the endless loader, whose batches are lists of micro-batches."""
        if self.num_workers:
            _end_workers_at_exit()
        return DataLoader(
            cast(Any, self.source.training),  # torch's type is a class, and it needs __getitem__
            batch_sampler=self._sampler(),
            collate_fn=partial(_micro_batches, size=self.batch_size),
            num_workers=self.num_workers,
            worker_init_fn=_set_up,
            pin_memory=torch.cuda.is_available(),
        )

    def val_dataloader(self) -> DataLoader[Sample]:
        """Return the loader of this rank's views, at least one; batches of 1, as sizes differ."""
        return DataLoader(
            cast(Any, self.source.validation),
            sampler=self.own_views(),
            batch_size=1,
            collate_fn=collate,
        )

    def own_views(self) -> range:
        """The positions in the validation data of this rank's views."""
        assert self.trainer is not None
        return range(self.view(0), len(self.source.validation), self.trainer.world_size)

    def view(self, number: int) -> int:
        """The position in the validation data of this rank's `number`-th view, from 0."""
        assert self.trainer is not None
        # A rank without views would skip validation, where the other ranks wait for it.
        return (
            self.trainer.global_rank % len(self.source.validation)
            + number * self.trainer.world_size
        )


def _end_workers_at_exit() -> None:
    """End this process's workers when it exits, whatever the reason.

    Python's own exit handler sends each worker one signal and then waits for it without a limit.
    Our workers ignore the first such signal (see `_set_up`), so a process that ends in an error
    would wait for ever.
    """
    # With a priority of zero or more it runs before Python's handler.
    Finalize(None, _kill_workers, exitpriority=0)


def _kill_workers() -> None:
    # torch's handler raises an error for each killed worker
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for child in multiprocessing.active_children():
        if child.daemon:
            child.kill()  # a second SIGTERM could merge with a first that is still pending


def _set_up(worker: int) -> None:
    """Limit a worker to one thread, and let it survive the first signal to stop.

    A scheduler signals all processes of a job. The main process answers after the current step,
    which still needs samples. A second signal ends the worker.
    """
    torch.set_num_threads(1)
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda received, _: signal.signal(received, signal.SIG_DFL))


def collate(samples: Sequence[Sample]) -> dict[str, Tensor]:
    """Stack samples to ``(B, C, *S)``; the batch has ``valid`` if any sample has it."""
    batch = {
        "lr": torch.stack([sample["lr"] for sample in samples]),
        "hr": torch.stack([sample["hr"] for sample in samples]),
    }
    if "scene" in samples[0]:  # then all have it: a source measures all of its files or none
        batch["scene"] = torch.stack([sample["scene"] for sample in samples])
    if any("valid" in sample for sample in samples):
        everywhere = torch.ones_like(batch["hr"][0, :1], dtype=torch.bool)
        batch["valid"] = torch.stack([sample.get("valid", everywhere) for sample in samples])
    return batch


def _micro_batches(samples: Sequence[Sample], *, size: int) -> list[dict[str, Tensor]]:
    return [collate(samples[first : first + size]) for first in range(0, len(samples), size)]
