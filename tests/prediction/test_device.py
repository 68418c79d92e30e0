from types import SimpleNamespace

import pytest
import torch

from srlab.mistakes import Mistake
from srlab.prediction.network.device import chosen_device, chosen_devices, told_of


@pytest.fixture
def gpus(monkeypatch):
    """Three GPUs that are said to be here."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 3)
    made = SimpleNamespace
    monkeypatch.setattr(torch, "zeros", lambda _, device: made(device=torch.device(device)))


def test_devices_by_name():
    assert chosen_device("cpu") == torch.device("cpu")
    assert chosen_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("gpu", "is no device; give auto, cpu, cuda or cuda:1\\."),
        ("cuda:99", "cannot be used here: .+; try device=auto\\."),
    ],
)
def test_device_that_is_not_there_is_refused(name, problem):
    with pytest.raises(ValueError, match=f"device={name} {problem}"):
        chosen_device(name)


def test_a_gpu_is_taken_where_there_is_one(gpus):
    assert chosen_device("auto").type == "cuda"


@pytest.mark.parametrize(
    ("name", "count", "wanted"),
    [
        ("cpu", "auto", ["cpu"]),
        ("cpu", 2, ["cpu", "cpu"]),
        ("auto", "auto", ["cuda:0", "cuda:1", "cuda:2"]),
        ("cuda", 2, ["cuda:0", "cuda:1"]),
        ("cuda:1", "auto", ["cuda:1"]),
        ("cuda:1", 1, ["cuda:1"]),
    ],
)
def test_several_devices_are_the_first_ones_of_a_kind(gpus, name, count, wanted):
    assert chosen_devices(name, count) == tuple(wanted)


@pytest.mark.parametrize(("name", "count", "here"), [("auto", 4, 3), ("cuda:1", 2, 1)])
def test_more_gpus_than_are_here_are_refused(gpus, name, count, here):
    message = f"devices is {count}, and device={name} has {here} of them here; try devices=auto."
    with pytest.raises(Mistake, match=message):
        chosen_devices(name, count)


def test_a_device_that_fails_is_told_from_one_without_memory():
    cases = [
        (torch.AcceleratorError("CUDA error: unspecified launch failure\nhints"), Mistake),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), Mistake),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), MemoryError),
        (torch.AcceleratorError("CUDA error: out of memory"), MemoryError),
        (RuntimeError("[enforce fail] can't allocate memory: you tried 9"), MemoryError),
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), torch.OutOfMemoryError),
        (RuntimeError("a bug"), RuntimeError),
    ]
    for error, wanted in cases:
        with pytest.raises(wanted) as raised, told_of(torch.device("cpu")):
            raise error
        assert type(raised.value) is wanted
        if wanted is Mistake:
            reason = str(error).partition("\n")[0]
            assert str(raised.value).startswith(f"the device cpu failed: {reason}. ")
