"""A worker's share in an output that a cluster makes."""

from __future__ import annotations

import asyncio
import pickle
import signal
import socket
import threading
import traceback
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache

import torch
from distributed import Worker, WorkerPlugin, get_worker

import srlab
from srlab.allocation import keep_freed_memory
from srlab.axes import Window
from srlab.io import Reader
from srlab.mistakes import Mistake
from srlab.models.bundle import file_hash
from srlab.models.super_resolver import SuperResolver
from srlab.prediction.blocks import Predict
from srlab.prediction.engines.devices import opened
from srlab.prediction.engines.local import streamed
from srlab.prediction.engines.same_files import Sighting, check_there, other_file
from srlab.prediction.job import Job
from srlab.prediction.journal import Done, written
from srlab.prediction.network.threads import computing_threads

LONGEST = 60.0
"""Seconds that a block in the making is waited for when its output is given up."""


@dataclass(frozen=True)
class Part:
    """What became of the blocks of one task."""

    done: tuple[Done, ...]
    error: Exception | None = None


class WorkerShare(WorkerPlugin):
    """The reader, writer and models of a worker, from its first block of an output to the last.

    It is sent to each worker once, also to workers that come later. A worker computes one task at a
    time, with the threads of the job, whatever number of tasks Dask gives it.
    """

    def __init__(self, job: Job, *, name: str, hashes: Sequence[str]) -> None:
        self.name = name
        self._job, self._hashes = job, tuple(hashes)
        self._sightings = [Sighting.of(*each) for each in job.inputs]
        self._versions = _versions()

    def setup(self, worker: Worker) -> None:
        """Begin on a worker; nothing is opened yet."""
        self._lock = threading.Lock()
        self._ended = False
        self._opened: tuple[Reader, Predict, int] | None = None

    async def teardown(self, worker: Worker) -> None:
        """End: the block in the making is waited for, and no other is begun."""
        self._ended = True
        waited = 0.0
        while self._lock.locked() and waited < LONGEST:
            waited += 0.05
            await asyncio.sleep(0.05)
        if self._opened is not None:
            self._opened[0].close()

    def compute(self, windows: Sequence[Window]) -> Part:
        """Compute and write blocks; blocks that are done before an error count."""
        done: list[Done] = []
        with self._lock, computing_threads(self._job.threads):
            try:
                self._compute(windows, done)
                self._job.writer.sync()
            except Exception as error:  # the client raises it, whatever it is
                return Part(tuple(done), _portable(error))
        return Part(tuple(done))

    def _compute(self, windows: Sequence[Window], done: list[Done]) -> None:
        job = self._job
        if self._opened is None:
            _check_versions(self._versions)
            for sighting in self._sightings:
                sighting.check()
            keep_freed_memory()
            self._opened = opened(_models(job.paths, self._hashes, job.trust), job)
        reader, predict, at_a_time = self._opened
        blocks = streamed(
            predict, reader, job.tiles, windows, batch_size=job.batch, at_a_time=at_a_time
        )
        with closing(blocks):
            for window, pixels in blocks:
                if self._ended:
                    return
                done.append(written(job.writer, window, pixels))


class DeafToInterrupts(WorkerPlugin):
    """Has a worker leave Ctrl-C, which a terminal sends to all processes, to the client."""

    name = "srlab, deaf to interrupts"

    def setup(self, worker: Worker) -> None:
        """Begin; Dask calls it in the main thread, which alone may."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def part(name: str, windows: Sequence[Window]) -> Part:
    """Compute blocks by the share of that name, in the worker that this is called in."""
    share = get_worker().plugins.get(name)
    return share.compute(windows) if isinstance(share, WorkerShare) else Part(())


@lru_cache(maxsize=1)
def _models(
    paths: tuple[str, ...], hashes: tuple[str, ...], trust: bool
) -> tuple[SuperResolver, ...]:
    """Open models, once for all outputs; a `Mistake` says if a file is not the client's."""
    for path, wanted in zip(paths, hashes, strict=True):
        check_there(path)
        if file_hash(path) != wanted:
            raise other_file(path)
    return tuple(srlab.load(path, trust=trust) for path in paths)


def _versions() -> dict[str, str]:
    return {"srlab": srlab.__version__, "torch": str(torch.__version__)}


def _check_versions(wanted: dict[str, str]) -> None:
    for package, got in _versions().items():
        if got != wanted[package]:
            raise Mistake(
                f"a worker on {socket.gethostname()} has {package} {got}, and this process "
                f"{wanted[package]}: install the same version everywhere."
            )


def _portable(error: Exception) -> Exception:
    """Return an error as another process can have it, with its traceback as a note."""
    error.add_note(f"on {socket.gethostname()}:\n{''.join(traceback.format_exception(error))}")
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # classes of errors may need more than pickle keeps
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
