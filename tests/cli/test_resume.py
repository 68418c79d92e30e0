import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

import numpy as np
import pytest
import torch
from conftest import TINY, Outcome
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

STEPS = 32
KILLED = [
    *(*TINY, "schedule.pretrain_steps=10", "schedule.ramp_steps=10", f"trainer.max_steps={STEPS}"),
    *(
        "trainer.val_check_interval=12",
        "callbacks.checkpoints.every=7",
        "trainer.log_every_n_steps=5",
    ),
    *("optimiser.generator.lr=1e-3", "trainer.accelerator=cpu"),
]
RANDOM = np.random.default_rng()


def rows(folder):
    with (folder / "metrics.csv").open() as file:
        return {int(row["step"]): row for row in csv.DictReader(file)}


def checkpoint(folder, name="last"):
    return torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)


def start(folder, *given):
    """Start a command in a session of its own, so that all its processes can be killed at once."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "srlab.train", *given, "hydra.run.dir=run"]
    with (folder / "said.txt").open("a") as said:
        return subprocess.Popen(
            command, cwd=folder, stdout=said, stderr=said, start_new_session=True
        )


def finish(folder, *given):
    assert start(folder, *given).wait() == 0, (folder / "said.txt").read_text()
    return folder / "run"


def killed_and_resumed(folder, given, *, after, delay=None, on_resume=()):
    """Kill a run with SIGKILL a little after it has logged `after` steps, then resume it."""
    while not killed(folder, given, after, delay):  # it had ended before: a busy machine
        shutil.rmtree(folder / "run")
    return finish(folder, "resume=last", *on_resume)


def killed(folder, given, after, delay):
    """Start a run and kill it; return whether it had steps yet to do."""
    process = start(folder, *given)
    metrics = folder / "run" / "metrics.csv"
    while process.poll() is None and (
        not metrics.exists() or max(rows(folder / "run"), default=0) < after
    ):
        time.sleep(0.01)
    time.sleep(RANDOM.uniform(0, 0.3) if delay is None else delay)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() in (0, -signal.SIGKILL), (folder / "said.txt").read_text()
    return max(rows(folder / "run")) < STEPS


def assert_equal_bit_for_bit(whole, resumed):
    one, other = checkpoint(whole), checkpoint(resumed)
    for part in ("state_dict", "optimizer_states", "lr_schedulers"):
        compare(one[part], other[part], part)
    assert one["global_step"] == other["global_step"] == STEPS
    assert (whole / "model.safetensors").read_bytes() == (
        resumed / "model.safetensors"
    ).read_bytes()
    assert (whole / "metrics.csv").read_text() == (resumed / "metrics.csv").read_text()


def compare(one, other, place):
    assert type(one) is type(other), place
    if isinstance(one, dict):
        assert one.keys() == other.keys(), place
        for key in one:
            compare(one[key], other[key], f"{place}.{key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), place
        for index, pair in enumerate(zip(one, other, strict=True)):
            compare(*pair, f"{place}[{index}]")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), place
    else:
        assert one == other, place


def curve(folder, name):
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def test_killed_and_resumed_run_equals_the_uninterrupted_one(command, tmp_path):
    """Though it goes on with two workers that load its data, where it had none, and uncached."""
    whole = tmp_path / "run"
    assert command("train", *KILLED, "hydra.run.dir=run") == Outcome(0, "")
    given = [*KILLED, "cache=memory", "cache.gigabytes=1"]
    other = ["loader.num_workers=2", "cache=none"]
    resumed = killed_and_resumed(
        tmp_path / "killed", given, after=RANDOM.integers(11, 22), on_resume=other
    )
    assert_equal_bit_for_bit(whole, resumed)
    for name in ("loss/generator", "loss/discriminator", "val/psnr", "weight/adversarial"):
        assert curve(resumed, name) == curve(whole, name)
    assert [step for step, _ in curve(resumed, "val/psnr")] == [12, 24, STEPS]


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("average", [True, False], ids=["ema", "no_ema"])
@pytest.mark.parametrize("processes", [1, 2])
def test_every_run_resumes_exactly(tmp_path, processes, average, accumulate):
    """Killed anywhere, then at the validation after 12 steps; with workers that come and go."""
    given = [*KILLED, f"loader.accumulate={accumulate}", *([] if average else ["ema=null"])]
    if processes > 1:
        given += ["trainer=ddp", f"trainer.devices={processes}"]
    whole = finish(tmp_path / "whole", *given)
    kills = [
        killed_and_resumed(tmp_path / "anywhere", given, after=RANDOM.integers(8, 22)),
        killed_and_resumed(
            tmp_path / "validating",
            [*given, "loader.num_workers=2"],
            after=12,
            delay=0,
            on_resume=["loader.num_workers=0"],
        ),
    ]
    for resumed in kills:
        assert_equal_bit_for_bit(whole, resumed)


@pytest.mark.slow
def test_resumes_exactly_where_validation_and_checkpoints_meet(tmp_path):
    given = [*KILLED, "trainer.val_check_interval=7"]
    whole = finish(tmp_path / "whole", *given)
    resumed = killed_and_resumed(tmp_path / "killed", given, after=RANDOM.integers(8, 22))
    assert_equal_bit_for_bit(whole, resumed)
