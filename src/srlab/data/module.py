"""The one DataModule."""

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
from srlab.data.source import Sample, Source
from srlab.mistakes import Mistake


class DataModule(LightningDataModule):
    """Loads a source's pairs, for each process a batch for each generator update.

    A batch is a list of `accumulate` micro-batches of `batch_size`. A resumed run goes on with the
    samples of its next step, with any number of workers.
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
        """The step from which training goes on."""
        assert self.trainer is not None
        return {"step": self.trainer.global_step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from the step of a checkpoint."""
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
        """Endless: one batch is a list of micro-batches, and one generator update."""
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
        """Views one at a time, as they differ in size: this rank's share, and at least one."""
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
        # a rank without any would not enter validation, in which the others wait for it
        return (
            self.trainer.global_rank % len(self.source.validation)
            + number * self.trainer.world_size
        )


def _end_workers_at_exit() -> None:
    """End this process's workers when it exits, whatever the reason.

    Python's own exit handler tells each worker to stop once and then waits for it without a limit.
    Our workers let the first such signal pass (see `_set_up`), so a process that ends in an error
    would never be gone.
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
    """Keep a worker off the other cores, and alive when a whole job is told to stop.

    The main process answers such a signal, after a step that still needs samples. A second one ends
    the worker.
    """
    torch.set_num_threads(1)
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda told, _: signal.signal(told, signal.SIG_DFL))


def collate(samples: Sequence[Sample]) -> dict[str, Tensor]:
    """Stack samples to ``(B, C, *S)``; `valid` is there if any sample has it."""
    batch = {
        "lr": torch.stack([sample["lr"] for sample in samples]),
        "hr": torch.stack([sample["hr"] for sample in samples]),
    }
    if "scene" in samples[0]:  # and then in all: sources measure all of their files or none
        batch["scene"] = torch.stack([sample["scene"] for sample in samples])
    if any("valid" in sample for sample in samples):
        everywhere = torch.ones_like(batch["hr"][0, :1], dtype=torch.bool)
        batch["valid"] = torch.stack([sample.get("valid", everywhere) for sample in samples])
    return batch


def _micro_batches(samples: Sequence[Sample], *, size: int) -> list[dict[str, Tensor]]:
    return [collate(samples[first : first + size]) for first in range(0, len(samples), size)]
