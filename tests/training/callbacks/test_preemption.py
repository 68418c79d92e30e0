import logging
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from conftest import TINY
from counting import rising, run
from lightning import Callback
from test_checkpoints import files, ranked, state

from srlab.models.bundle import load_checkpoint
from srlab.training.callbacks import Preemption

pytestmark = pytest.mark.filterwarnings("ignore")


class Tell(Callback):
    """Sends this process a signal within the update after `step` others, or within the validation after it."""

    def __init__(self, step, *, validating=False, number=signal.SIGTERM):
        self.step = step
        self.validating = validating
        self.number = number

    def _tell(self, trainer, validating):
        if trainer.global_step == self.step and self.validating == validating:
            os.kill(os.getpid(), self.number)

    def on_train_batch_start(self, trainer, *_):
        self._tell(trainer, False)

    def on_validation_batch_start(self, trainer, *_):
        self._tell(trainer, True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1], ids=lambda number: number.name)
@pytest.mark.parametrize(
    ("step", "validating", "reached"),
    [(0, False, 1), (4, False, 5), (8, False, 9), (3, False, 4), (4, True, 4), (10, True, 10)],
    ids=[
        "at once",
        "in a step",
        "in a step that is saved",
        "before a validation",
        "in one",
        "later in one",
    ],
)
def test_run_stops_after_the_step_in_hand_and_goes_on_as_if_nothing_was(
    tmp_path, step, validating, reached, number
):
    with pytest.raises(SystemExit) as stopped:
        run(tmp_path, Preemption(), Tell(step, validating=validating, number=number))
    assert stopped.value.code == 143
    assert files(tmp_path)["last"] == reached
    assert [step for _, step in state(tmp_path)["kept"]] == [
        *ranked(range(2, reached + 1, 2), rising, 3).values()
    ]
    resumed = run(tmp_path, Preemption(), resume=True)
    assert resumed.scored == [step for step in range(2, 21, 2) if step > reached]
    assert files(tmp_path) == {"last": 20, **ranked(range(2, 21, 2), rising, 3)}


@pytest.mark.parametrize(
    ("step", "validating", "validate_every"),
    [(19, False, 2), (20, True, 2), (19, False, 0)],
    ids=["in the last step", "in the last validation", "without validations"],
)
def test_run_that_is_at_its_end_just_ends(tmp_path, step, validating, validate_every):
    run(tmp_path, Preemption(), Tell(step, validating=validating), validate_every=validate_every)
    assert files(tmp_path)["last"] == 20
    assert (tmp_path / "model.safetensors").exists()


def test_it_says_how_to_go_on(tmp_path, caplog):
    with caplog.at_level(logging.INFO), pytest.raises(SystemExit):
        run(tmp_path, Preemption(), Tell(6))
    (line,) = (record.message for record in caplog.records if "resume=" in record.message)
    assert line == f"told to stop after 7 steps; go on with resume=last hydra.run.dir={tmp_path}"


def test_a_signal_that_came_while_the_run_was_set_up_counts(tmp_path):
    class Early(Callback):
        def on_train_start(self, trainer, *_):  # Lightning listens already
            trainer._signal_connector._sigterm_notifier_fn(signal.SIGTERM, None)

    with pytest.raises(SystemExit) as stopped:
        run(tmp_path, Early(), Preemption())
    assert stopped.value.code == 143
    assert files(tmp_path) == {"last": 1}


def test_other_handlers_are_back_afterwards(tmp_path):
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)]
    run(tmp_path, Preemption(), steps=2)
    with pytest.raises(SystemExit):
        run(tmp_path / "told", Preemption(), Tell(1))
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)] == before


RUN = [
    *(*TINY, "schedule.pretrain_steps=20", "schedule.ramp_steps=20", "trainer.max_steps=60"),
    *(
        "trainer.val_check_interval=25",
        "callbacks.checkpoints.every=50",
        "callbacks.checkpoints.keep=2",
    ),
    *("trainer.log_every_n_steps=5", "optimiser.generator.lr=1e-3", "trainer.accelerator=cpu"),
]


def start(folder, *given):
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "srlab.train", *given, "hydra.run.dir=run"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=folder, start_new_session=True, **pipes)


def told_and_resumed(folder, given, *, group=False):
    """Tell a run to stop somewhere in its middle; check how it ends, and go on with it."""
    process = start(folder, *given)
    metrics, after = folder / "run" / "metrics.csv", int(np.random.default_rng().integers(5, 40))
    while process.poll() is None and (
        not metrics.exists() or f"\n{after // 5 * 5}," not in metrics.read_text()
    ):
        time.sleep(0.01)
    (os.killpg if group else os.kill)(process.pid, signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 143, output
    assert (
        len(
            re.findall("told to stop after .* steps; go on with resume=last hydra.run.dir=", output)
        )
        == 1
    )
    assert "Traceback" not in output
    assert "Error" not in output
    resumed = start(folder, "resume=last")
    output, _ = resumed.communicate(timeout=240)
    assert resumed.returncode == 0, output
    return folder / "run"


def assert_same_run(one, other):
    assert (one / "metrics.csv").read_text() == (other / "metrics.csv").read_text()
    assert (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
    for name in ("last.ckpt", "best.ckpt", "best_2.ckpt"):
        contents = [load_checkpoint(folder / "checkpoints" / name) for folder in (one, other)]
        for part in ("state_dict", "optimizer_states", "lr_schedulers", "callbacks", "global_step"):
            assert same(*(content[part] for content in contents)), (name, part)


def same(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    process = start(folder, *RUN)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return folder / "run"


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_real_run_goes_on_exactly(tmp_path, uninterrupted, workers):
    """A batch system tells every process of a job, those that load data, too."""
    run = told_and_resumed(tmp_path / "told", [*RUN, f"loader.num_workers={workers}"], group=True)
    assert_same_run(run, uninterrupted)


TWO = [
    *(
        "generator=rrdb",
        "generator.channels=8",
        "generator.blocks=1",
        "generator.growth_channels=4",
    ),
    *("discriminator=none", "data.crop_size=32", "loader.batch_size=2", "loader.num_workers=0"),
    *("trainer.max_steps=60", "trainer.val_check_interval=25", "trainer.log_every_n_steps=5"),
    *("callbacks.checkpoints.keep=2", "trainer.accelerator=cpu"),
    *("trainer.devices=2", "trainer.strategy=ddp_find_unused_parameters_true"),
]


@pytest.mark.slow
@pytest.mark.parametrize("group", [False, True], ids=["the first process", "both"])
def test_two_processes_stop_at_the_same_step_and_go_on_exactly(tmp_path, group):
    whole = start(tmp_path / "whole", *TWO)
    output, _ = whole.communicate(timeout=240)
    assert whole.returncode == 0, output
    assert_same_run(
        told_and_resumed(tmp_path / "told", TWO, group=group), tmp_path / "whole" / "run"
    )
