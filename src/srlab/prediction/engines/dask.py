"""A Dask cluster: blocks are tasks, and each worker writes its own."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from uuid import uuid4

import torch

from srlab.axes import Window, is_count
from srlab.mistakes import MissingPackage, Mistake
from srlab.models.bundle import file_hash
from srlab.models.super_resolver import SuperResolver
from srlab.prediction.blocks import PANEL
from srlab.prediction.engines.making import making
from srlab.prediction.grid.tiles import TileGrid
from srlab.prediction.job import Job
from srlab.prediction.journal import Journal
from srlab.prediction.network.device import Devices
from srlab.prediction.outcome import Outcome

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster, WorkerPlugin

    from srlab.prediction.engines.share import Part, WorkerShare

log = logging.getLogger(__name__)

SECONDS = 10
"""The longest that a scheduler is waited for."""

CORES = 4
"""Cores for each worker of an own cluster, unless a number of workers is given."""

AHEAD = 2
"""Tasks for each worker, so that none waits for its next one."""

PATIENCE = "5 minutes"
"""How long a lost worker may take to begin anew: torch is imported slowly on a busy machine."""

ROWS = {"crop": 4, "blend": 8}
"""The most blocks of a task where tiles are cropped, and the most rows of a panel otherwise."""


class Dask:
    """The engine of many processes, on one machine or on many.

    It connects to the scheduler at `address`, such as ``tcp://10.0.0.1:8786``. Without an address
    it starts a cluster of its own on this machine, of a number of `workers`. By default there is
    one for every four cores. The cluster ends with the process, or when the engine is closed.

    Blocks of a lost worker are done again by others. If the same blocks end several workers, a
    `Mistake` says so. All processes must have the same versions and see the same files. A network
    has as many threads in each worker as Dask gives that, unless another number is asked for.
    """

    def __init__(self, address: str | None = None, *, workers: int | None = None) -> None:
        if workers is not None and not is_count(workers, least=1):
            raise Mistake(f"workers is {workers!r}; give a number of processes >= 1.")
        if address is not None and workers is not None:
            raise Mistake(
                f"workers is {workers}, and the cluster at {address} has its own number: leave "
                "one of the two out."
            )
        self._address, self._workers = address, workers
        self._client: Client | None = None
        self._cluster: LocalCluster | None = None

    def threads(self) -> int:
        """Return the fewest threads of any worker; in an own cluster, its share of the cores."""
        if self._address is None:
            return max(torch.get_num_threads() // self._own_workers, 1)
        client = self._connected()
        if not client.nthreads():
            log.info("waiting for the first worker of %s", self._address)
            client.wait_for_workers(1)
        return int(min(client.nthreads().values()))

    def devices(self, asked: Devices) -> int:
        """Return 1: a worker computes on one device. Other numbers are refused."""
        if asked not in ("auto", 1):
            raise Mistake(
                f"devices is {asked}, and each worker of engine=dask computes on one: leave "
                "devices out, and start a worker for each GPU."
            )
        return 1

    def __call__(
        self,
        models: Sequence[SuperResolver],
        job: Job,
        *,
        journal: Journal | None = None,
        progress: bool = False,
    ) -> Outcome:
        """Make an output; an output that another engine began goes on here."""
        client = self._connected()  # tells of a missing Dask, which the next line needs
        from srlab.prediction.engines.share import WorkerShare

        name = f"srlab {uuid4() if journal is None else journal.path}"
        share = WorkerShare(job, name=name, hashes=[file_hash(path) for path in job.paths])
        with (
            making(
                job.writer,
                job.tiles,
                tiles_per_block=job.batch,
                journal=journal,
                progress=progress,
            ) as output,
            _shared(client, share, self._where) as tasks,
        ):
            for part in tasks.parts(output.windows, job.tiles):
                for done in part.done:
                    output.take_over(done)
                if part.error is not None:
                    raise part.error
        return output.outcome

    def close(self) -> None:
        """Leave the cluster, and end it if it is the engine's own."""
        atexit.unregister(self.close)
        if self._client is not None:
            self._client.close()
        if self._cluster is not None:
            # A process with torch takes seconds to end. Dask does not wait, and would log errors.
            logging.getLogger("distributed").setLevel(logging.ERROR)
            self._cluster.close()
        self._client = self._cluster = None

    @property
    def _own_workers(self) -> int:
        return self._workers or max(torch.get_num_threads() // CORES, 1)

    @property
    def _where(self) -> str:
        return self._address or "this machine"

    def _connected(self) -> Client:
        """Return the client of the cluster, which lasts from one output to the next."""
        if self._client is not None and self._client.status == "running":
            return self._client
        try:
            from distributed import Client
            from distributed.comm.addressing import get_address_host_port

            from srlab.prediction.engines.share import DeafToInterrupts
        except ImportError as error:
            raise MissingPackage("engine=dask needs Dask: pip install 'srlab[dask]'.") from error
        self.close()
        logging.getLogger("distributed").setLevel(logging.WARNING)
        atexit.register(self.close)  # before Dask's own, which came with the import
        if self._address is None:
            self._cluster = _own_cluster(self._own_workers)
        try:
            if self._address is not None:
                get_address_host_port(self._address, strict=True)
            self._client = Client(
                self._cluster or self._address, timeout=SECONDS, set_as_default=False
            )
        except (OSError, ValueError) as error:
            raise Mistake(
                f"engine.address={self._address}: no scheduler answers there ({error}); give one "
                "such as tcp://10.0.0.1:8786, or leave it out for a cluster on this machine."
            ) from error
        if self._cluster is not None:
            with told_of_the_cluster(self._where):
                _register(self._client, DeafToInterrupts())
        return self._client


def _own_cluster(workers: int) -> LocalCluster:
    """Start a cluster on this machine."""
    import dask
    from distributed import LocalCluster

    logging.getLogger("distributed.scheduler").setLevel(logging.CRITICAL)  # they come with tasks
    dask.config.set(
        {
            # A lost worker is begun again until then; Dask's default is 15 s.
            "distributed.deploy.lost-worker-timeout": PATIENCE,
            # Without any worker, tasks fail then; by Dask's default they wait for ever.
            "distributed.scheduler.no-workers-timeout": PATIENCE,
        }
    )
    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,  # tasks at a time; the network has threads of its own
        memory_limit=None,  # Dask would end workers, and holds nothing itself
        dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,  # errors of workers come with their blocks
    )


def _register(client: Client, plugin: WorkerPlugin) -> None:
    """Send a plugin to all workers; once more if a worker was lost meanwhile."""
    try:
        client.register_plugin(plugin)
    except OSError:
        client.register_plugin(plugin)


@contextmanager
def _shared(client: Client, share: WorkerShare, where: str) -> Iterator[_Tasks]:
    """Give all workers a share in an output, and take it back."""
    tasks = _Tasks(client, share.name, where)
    with told_of_the_cluster(where):
        _register(client, share)
    try:
        yield tasks
    finally:
        with suppress(OSError, ValueError):  # the scheduler may be gone
            tasks.cancel()
            client.unregister_worker_plugin(share.name)


class _Tasks:
    """The blocks of an output as tasks, of which the cluster is given a few at a time.

    A task has several blocks, so that one is read while another is computed. Tiles that fade into
    each other are then computed once for most of their blocks. Towards the end tasks are smaller,
    so that all workers end together.
    """

    def __init__(self, client: Client, name: str, where: str) -> None:
        self._client, self._name, self._where = client, name, where
        self._running: set[Future[Part]] = set()

    def parts(self, windows: Sequence[Window], tiles: TileGrid) -> Iterator[Part]:
        """Yield what becomes of tasks, as they end."""
        from distributed import as_completed

        ended = as_completed(loop=self._client.loop)
        left = list(windows)
        while left or self._running:
            with told_of_the_cluster(self._where):
                for task in self._begun(left, _most(tiles)):
                    ended.add(task)
                task = next(ended)
                self._running.remove(task)
                result = task.result()
            yield result

    def _begun(self, left: list[Window], most: int) -> Iterator[Future[Part]]:
        """Begin tasks of the first blocks that are `left`, and take these out."""
        from srlab.prediction.engines.share import part

        at_a_time = AHEAD * max(len(self._client.nthreads()), 1)
        while left and len(self._running) < at_a_time:
            count = min(most, -(-len(left) // (2 * at_a_time)))
            task = self._client.submit(part, self._name, left[:count], pure=False)
            del left[:count]
            self._running.add(task)
            yield task

    def cancel(self) -> None:
        """Have no further task begun."""
        self._client.cancel(list(self._running))


def _most(tiles: TileGrid) -> int:
    """Return the most blocks of a task: of blended tiles, rows of a panel."""
    dims = len(tiles.shape) - tiles.leading
    across = 1 if tiles.join == "crop" else PANEL[dims] ** (dims - 1)
    return ROWS[tiles.join] * across


@contextmanager
def told_of_the_cluster(where: str) -> Iterator[None]:
    """Make a `Mistake` of what Dask says of a cluster that fails."""
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError
    from distributed.scheduler import NoValidWorkerError, NoWorkerError

    try:
        yield
    except KilledWorker as error:
        raise Mistake(
            f"the same blocks ended {error.allowed_failures + 1} workers of {where}, one after the "
            "other, as a system does with processes that need too much memory: give a smaller "
            "tile=, or fewer workers a machine. The same command goes on from the finished blocks."
        ) from error
    except (NoValidWorkerError, NoWorkerError) as error:
        raise Mistake(
            f"{where} has had no worker for {error.timeout:.0f} s: see whether it has memory for "
            "them, or give fewer. The same command goes on from the finished "
            "blocks."
        ) from error
    except (FutureCancelledError, OSError) as error:
        raise Mistake(
            f"the cluster of {where} is gone ({error}): the same command goes on from the finished "
            "blocks when it is there again."
        ) from error
