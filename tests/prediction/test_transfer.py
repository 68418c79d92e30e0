"""The way of a batch to a GPU and back; the GPU is a fake that notes what it is told."""

from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from srlab.prediction.network import transfer


class Stream:
    """A stream that does at once what it is told, and notes what it waits for."""

    def __init__(self, name, told):
        self.name, self._told = name, told

    def wait_stream(self, other):
        self._told.append(f"{self.name} waits for {other.name}")

    def record_event(self):
        return SimpleNamespace(synchronize=lambda: self._told.append(f"all of {self.name} is done"))


@pytest.fixture
def told(monkeypatch):
    """What a fake GPU is told."""
    found, names = [], iter(["there", "back"])
    computing = Stream("computing", found)

    @contextmanager
    def stream(chosen):
        found.append(chosen.name)
        yield

    fake = SimpleNamespace(
        Stream=lambda device: Stream(next(names), found),
        stream=stream,
        current_stream=lambda device: computing,
    )
    empty = torch.empty
    monkeypatch.setattr(torch, "cuda", fake)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: found.append("pinned") or self)
    monkeypatch.setattr(torch, "empty", lambda *size, dtype, pin_memory: empty(*size, dtype=dtype))
    return found


def test_a_gpu_copies_in_streams_of_their_own_that_wait_for_each_other(told):
    to_gpu = transfer.transfer_to(SimpleNamespace(type="cuda"))
    to_gpu._device = "cpu"

    def compute(batch):
        told.append("computed")
        return 2 * batch

    result = to_gpu(compute, torch.arange(3.0))
    np.testing.assert_array_equal(result, np.array([0, 2, 4], np.float32))
    assert told == [
        "pinned",
        "there",
        "computing waits for there",
        "computed",
        "back waits for computing",
        "back",
        "all of back is done",
    ]


def test_a_gpu_that_fails_in_one_batch_takes_the_next(told):
    to_gpu = transfer.transfer_to(SimpleNamespace(type="cuda"))
    to_gpu._device = "cpu"

    def fail(batch):
        raise torch.OutOfMemoryError("too large")

    with pytest.raises(torch.OutOfMemoryError):
        to_gpu(fail, torch.zeros(3))
    np.testing.assert_array_equal(to_gpu(torch.neg, torch.ones(2)), -np.ones(2, np.float32))


def test_other_devices_compute_at_once():
    to_cpu = transfer.transfer_to(torch.device("cpu"))
    np.testing.assert_array_equal(to_cpu(torch.neg, torch.ones(2)), -np.ones(2, np.float32))
