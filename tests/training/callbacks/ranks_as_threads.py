"""The ranks of a run as threads of one process."""

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

from srlab.data.module import DataModule
from srlab.training.processes import ranks


def validate(monkeypatch, make, module, views, *, on=1, **state):
    """Have each of `on` ranks `make` a callback, and show it its share of `views`.

    A view is SR and its batch. The ranks wait for each other where they gather, and fail if one of
    them never comes. Returned is the number of times that each has gathered.
    """
    met, here = threading.Barrier(on, timeout=60), threading.local()
    told, times = [None] * on, [0] * on

    def gathered(value):
        times[here.rank] += 1
        told[here.rank] = pickle.dumps(value)
        met.wait()
        found = [pickle.loads(each) for each in told]
        met.wait()
        return found

    def run(rank):
        here.rank = rank
        data = DataModule(SimpleNamespace(validation=views), batch_size=1)
        data.trainer = trainer = SimpleNamespace(
            **state, datamodule=data, global_rank=rank, world_size=on, is_global_zero=rank == 0
        )
        callback = make()
        callback.on_validation_epoch_start(trainer, module)
        for number, view in enumerate(data.val_dataloader().sampler):
            callback.on_validation_batch_end(trainer, module, *views[view], number)
        callback.on_validation_epoch_end(trainer, module)

    monkeypatch.setattr(ranks, "gathered", gathered)
    with ThreadPoolExecutor(on) as pool:
        list(pool.map(run, range(on)))
    assert len(set(times)) == 1
    return times[0]


class Recorder:
    """A third party's logger that keeps what it is given by name and step."""

    def __init__(self):
        self.found = {}

    def log_picture(self, name, pixels, step):
        assert self.found.setdefault((name, step), pixels) is pixels  # once

    def log_histogram(self, name, counted, step):
        assert self.found.setdefault((name, step), counted) is counted
