"""Short runs of small networks on noise with holes."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import torch
from conftest import Outcome, run_command

HERE = Path(__file__).parent

DATA = [f"hydra.searchpath=['file://{HERE}/conf']", "data=holes"]

GENERATOR = [
    "generator=rrdb",
    "generator.channels=8",
    "generator.blocks=1",
    "generator.growth_channels=4",
]

DISCRIMINATOR = [
    "discriminator=patchgan",
    "discriminator.channels=4",
    "discriminator.layers=1",
    "discriminator.normalisation=none",
    "adversarial.weight=0.1",
]
"""Without batch norm, whose statistics are each process's own."""

SHORT = [
    "scale=2",
    "normaliser=identity",
    "loader.num_workers=0",
    "trainer.accelerator=cpu",
    "trainer.val_check_interval=4",
    "trainer.log_every_n_steps=1",
    "schedule.pretrain_steps=3",
    "schedule.ramp_steps=4",
    "optimiser.generator.lr=1e-3",
    "ema.decay=0.5",
]

SMALL = [*DATA, *SHORT, *GENERATOR, *DISCRIMINATOR]

WITNESS = [
    "+callbacks.witness._target_=third_party_holes.Witness",
    "+callbacks.witness.folder=${hydra:runtime.output_dir}",
]

ONE = ["loader.batch_size=8"]
TWO = ["trainer=ddp", "trainer.devices=2", "loader.batch_size=4"]


def train(folder, *given):
    """Train in this process; return the run's folder."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # twice as fast with networks as small as these
    try:
        outcome = run_command("train", [*given, f"hydra.run.dir={folder}"])
    finally:
        torch.set_num_threads(threads)
    assert outcome == Outcome(0, ""), outcome.error
    return folder


def train_apart(folder, *given, by=()):
    """Train in processes of its own; return what they said."""
    command = [sys.executable, *by, "-m", "srlab.train", *given, f"hydra.run.dir={folder}"]
    path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    where = folder.parent
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def checkpoint(folder, name="last"):
    return torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)


def rows(folder):
    """The values in `metrics.csv` by step and name."""
    found = {}
    with (folder / "metrics.csv").open() as file:
        for row in csv.DictReader(file):
            found[int(row["step"])] = {name: float(text) for name, text in row.items() if text}
    return found
