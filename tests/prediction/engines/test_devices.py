"""Several devices that share the blocks of an output; a CPU stands for each of them."""

import logging
import threading
import time

import numpy as np
import pytest
import torch
from prediction_examples import Recorder, Repeat, resolver

from srlab.io.array import ArrayReader, ArrayWriter
from srlab.mistakes import Mistake
from srlab.prediction import Opened, Request, TileGrid, run, super_resolve_file
from srlab.prediction.engines import Dask, Local, making
from srlab.prediction.engines.devices import opened
from srlab.prediction.job import Job
from srlab.prediction.network.transfer import AT_A_TIME

GRID = TileGrid((40, 40), (10, 10), (2, 2), (2, 2))
BLENDED = TileGrid((26, 90), (14, 14), (4, 4), (2, 2), join="blend")


class Slow(Repeat):
    """Its tiles differ by their means, and take times of their own; copies note in one list."""

    calls = None
    fails_at = None

    def forward(self, lr):
        self.calls.append((id(self), torch.get_num_threads()))
        time.sleep(len(self.calls) % 3 / 1000)
        if self.fails_at and len(self.calls) >= self.fails_at:
            raise torch.AcceleratorError("CUDA error: unspecified launch failure\nCompile with …")
        return super().forward(lr + lr.mean() / 8)


@pytest.fixture
def network(monkeypatch):
    """A network whose copies note their calls."""
    monkeypatch.setattr(Slow, "calls", [])
    return Slow((2, 2))


def made(network, grid, devices):
    """The SR of a scene by a number of devices."""
    image = np.random.default_rng(0).random((1, *grid.shape), np.float32)
    writer = ArrayWriter(1, grid.target_shape)
    job = Job(
        reader=ArrayReader(image), writer=writer, tiles=grid, devices=("cpu",) * devices, threads=1
    )
    Local()([resolver(network, top=1)], job)
    return writer.array


@pytest.mark.parametrize("grid", [GRID, BLENDED], ids=["cropped", "blended"])
def test_devices_share_the_tiles_and_change_no_bit(network, grid):
    alone = made(network, grid, 1)
    calls = len(network.calls)
    shared = made(network, grid, 3)
    np.testing.assert_array_equal(shared, alone)
    assert len(network.calls) <= 2 * calls  # what one device computes, all have
    assert len({own for own, _ in network.calls}) == 3
    assert {threads for _, threads in network.calls} == {1}


def test_two_threads_keep_one_device_busy_and_change_no_bit(network, monkeypatch):
    alone = made(network, BLENDED, 1)
    monkeypatch.setitem(AT_A_TIME, "cpu", 2)  # as a GPU has
    np.testing.assert_array_equal(made(network, BLENDED, 1), alone)
    assert len({own for own, _ in network.calls}) == 1


def test_there_are_no_more_copies_than_tiles(network):
    job = Job(
        reader=Recorder(), writer=Recorder(), tiles=TileGrid((40, 40), (40, 40), (0, 0), (2, 2)),
        devices=("cpu",) * 4,
    )  # fmt: skip
    _, _, at_a_time = opened([resolver(network, top=1)], job)
    assert at_a_time == 1


def test_few_blocks_are_held_by_several_devices():
    recorder = Recorder()

    def predict(lr, inside, spare):
        return np.repeat(np.repeat(lr, 2, axis=2), 2, axis=3)

    run(predict, recorder, recorder, GRID, at_a_time=2)
    held, most = 0, 0
    for event in recorder.events:
        held += {"read": 1, "write": -1}.get(event, 0)
        most = max(most, held)
    # One is read, two computed, one more waits, one is taken, and one is written.
    assert most <= 6
    assert recorder.events.count("write") == len(GRID)


@pytest.mark.parametrize("grid", [GRID, BLENDED], ids=["cropped", "blended"])
@pytest.mark.parametrize("devices", [1, 3])
def test_an_error_on_one_device_ends_all_threads(network, grid, devices):
    network.fails_at, before = 9, threading.active_count()
    with pytest.raises(Mistake, match="the device cpu failed: CUDA error: unspecified") as raised:
        made(network, grid, devices)
    assert threading.active_count() == before  # while the error still holds all that was begun
    del raised


@pytest.fixture
def scene(tmp_path):
    pixels = np.random.default_rng(0).integers(1, 255, (1, 160, 128), np.uint8)
    np.save(tmp_path / "in.npy", pixels)
    return tmp_path / "in.npy"


def predicted(scene, output, network, **settings):
    asked = {"tile": 32, "overlap": 4, "join": "crop", "device": "cpu", **settings}
    request = Request(bands=[1], force=["value_range", "dtype", "pixel_size"], **asked)
    models = [Opened(__file__, resolver(network, top=1))]
    return super_resolve_file(models, scene, output, request=request)


def test_what_was_done_before_a_device_failed_is_kept(
    network, scene, tmp_path, monkeypatch, caplog
):
    caplog.set_level(logging.INFO, logger="srlab")
    monkeypatch.setattr(making, "SECONDS", 0.0)
    wanted, output = tmp_path / "alone.npy", tmp_path / "out.npy"
    predicted(scene, wanted, network, threads=1)
    every = len(network.calls)
    monkeypatch.setattr(Slow, "fails_at", every + 20)
    with pytest.raises(Mistake, match="the device cpu failed"):
        predicted(scene, output, network, threads=1, devices=2)
    assert "the same command goes on from there" in caplog.text
    assert not output.exists()
    monkeypatch.setattr(Slow, "fails_at", None)
    network.calls.clear()
    predicted(scene, output, network, threads=1)  # the number of devices is free
    assert 0 < len(network.calls) < every
    assert output.read_bytes() == wanted.read_bytes()


def test_devices_have_equal_shares_of_the_threads(network, scene, tmp_path, monkeypatch):
    monkeypatch.setattr(Local, "threads", lambda self: 7)
    outcome = predicted(scene, tmp_path / "out.npy", network, devices=3)
    assert outcome.settled["threads"] == 2
    assert {threads for _, threads in network.calls[-9:]} == {2}  # the first ones are trials


def test_workers_of_a_cluster_have_a_device_each():
    assert Dask().devices("auto") == Dask().devices(1) == 1
    with pytest.raises(Mistake, match="devices is 2, and each worker of engine=dask computes on"):
        Dask().devices(2)


@pytest.mark.parametrize("devices", [0, 1.5, "all"])
def test_devices_are_a_number(devices):
    with pytest.raises(Mistake, match=f"devices is {devices!r}; give a number of devices >= 1"):
        Request(devices=devices)
