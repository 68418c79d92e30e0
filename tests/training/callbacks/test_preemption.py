import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from conftest import TINY
from counting import files, kept_steps, ranked, run
from lightning import Callback

from srlab.models.bundle import load_checkpoint
from srlab.training.callbacks import Preemption

pytestmark = pytest.mark.filterwarnings("ignore")


class Tell(Callback):
    """Sends this process a signal after `step` updates: in the next one, or in the validation."""

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


@pytest.mark.parametrize(
    ("told", "reached"),
    [
        pytest.param(Tell(0), 1, id="at once"),
        pytest.param(Tell(4), 5, id="in a step"),
        pytest.param(Tell(4, number=signal.SIGUSR1), 5, id="by SIGUSR1"),
        pytest.param(Tell(8), 9, id="in a step that is saved"),
        pytest.param(Tell(3), 4, id="before a validation"),
        pytest.param(Tell(10, validating=True), 10, id="in a validation"),
    ],
)
def test_run_stops_after_the_step_in_hand_and_goes_on_as_if_nothing_was(tmp_path, told, reached):
    with pytest.raises(SystemExit) as stopped:
        run(tmp_path, Preemption(), told, steps=12)
    assert stopped.value.code == 143
    assert files(tmp_path)["last"] == reached
    assert kept_steps(tmp_path) == [*ranked(range(2, reached + 1, 2)).values()]
    resumed = run(tmp_path, Preemption(), resume=True, steps=12)
    assert resumed.scored == [step for step in range(2, 13, 2) if step > reached]
    assert files(tmp_path) == {"last": 12, **ranked(range(2, 13, 2))}


@pytest.mark.parametrize(
    ("told", "validate_every"),
    [(Tell(5), 2), (Tell(6, validating=True), 2), (Tell(5), 0)],
    ids=["in the last step", "in the last validation", "without validations"],
)
def test_run_that_is_at_its_end_just_ends(tmp_path, told, validate_every):
    run(tmp_path, Preemption(), told, validate_every=validate_every, steps=6)
    assert files(tmp_path)["last"] == 6
    assert (tmp_path / "model.safetensors").exists()


def test_it_says_how_to_go_on(tmp_path, caplog):
    with caplog.at_level(logging.INFO), pytest.raises(SystemExit):
        run(tmp_path, Preemption(), Tell(6))
    (line,) = (record.message for record in caplog.records if "resume=" in record.message)
    assert line == f"told to stop after 7 steps; continue with resume=last hydra.run.dir={tmp_path}"


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


OFTEN = [
    "trainer.max_steps=60",
    "trainer.val_check_interval=25",
    "trainer.log_every_n_steps=5",
    "trainer.accelerator=cpu",
    "callbacks.checkpoints.keep=2",
]
ONE = [
    *TINY,
    *OFTEN,
    "schedule.pretrain_steps=20",
    "schedule.ramp_steps=20",
    "callbacks.checkpoints.every=50",
    "optimiser.generator.lr=1e-3",
]
TWO = [
    *OFTEN,
    "generator=rrdb",
    "generator.channels=8",
    "generator.blocks=1",
    "generator.growth_channels=4",
    "discriminator=none",
    "data.crop_size=32",
    "loader.batch_size=2",
    "loader.num_workers=0",
    "trainer.devices=2",
    "trainer.strategy=ddp_find_unused_parameters_true",
]


def start(folder, *given):
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "srlab.train", *given, "hydra.run.dir=run"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=folder, start_new_session=True, **pipes)


def finished(folder, *given):
    """The folder of a run that ends by itself."""
    process = start(folder, *given)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    return folder / "run"


def told_and_resumed(folder, given, *, group=False):
    """Tell a run to stop somewhere in its middle; check how it ends, and go on with it."""
    while (output := told(folder, given, group=group)) is None:  # on a busy machine
        shutil.rmtree(folder / "run")
    message = r"told to stop after .* steps; continue with resume=last hydra.run.dir="
    assert len(re.findall(message, output)) == 1
    assert "Traceback" not in output
    assert "Error" not in output
    return finished(folder, "resume=last")


def told(folder, given, *, group):
    """Tell a run to stop; return what it said, None if it had ended before."""
    process = start(folder, *given)
    metrics = folder / "run" / "metrics.csv"
    row = f"\n{5 * int(np.random.default_rng().integers(1, 8))},"
    while process.poll() is None and not (metrics.exists() and row in metrics.read_text()):
        time.sleep(0.01)
    if process.poll() is None:
        (os.killpg if group else os.kill)(process.pid, signal.SIGTERM)
    output, _ = process.communicate(timeout=240)
    assert process.returncode in (0, 143), output
    return output if process.returncode else None


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
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@pytest.mark.slow
def test_real_run_goes_on_exactly(tmp_path):
    """A batch system tells every process of a job, those that load data, too."""
    given = [*ONE, "loader.num_workers=2"]
    assert_same_run(
        told_and_resumed(tmp_path / "told", given, group=True), finished(tmp_path / "whole", *ONE)
    )


@pytest.mark.slow
def test_two_processes_stop_at_the_same_step_and_go_on_exactly(tmp_path):
    whole = finished(tmp_path / "whole", *TWO)
    for name, group in {"told first": False, "told both": True}.items():
        assert_same_run(told_and_resumed(tmp_path / name, TWO, group=group), whole)
