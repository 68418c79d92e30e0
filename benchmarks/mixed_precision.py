"""Gain of bfloat16, channels last and a fused Adam over float32, and its cost in quality.

Two runs of srlab.train go on at the same time, but take turns of a few seconds. So both meet the
same machine. Their median step times and their last validations are compared.

Each trains SRResNet (16 blocks of 64 channels, x4) by L1, without a discriminator, on batches of 8
LR crops of 24 x 24.

    python benchmarks/mixed_precision.py [--steps 300]
"""

import argparse
import csv
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from lightning import Callback

TURN = 8.0
"""Seconds."""

GIVEN = [
    "generator=srresnet",
    "generator.skip=cubic",
    "discriminator=none",
    "data=demo",
    "data.crop_size=96",
    "loader.batch_size=8",
    "loader.num_workers=0",
    "ema=null",
    "logger=[csv]",
    "trainer.val_check_interval=100000",
    "callbacks.checkpoints.every=100000",
    "+callbacks.times._target_=mixed_precision.StepTimes",
    "+callbacks.times.path=${hydra:runtime.output_dir}/times",
]
RIVALS = {
    "float32": [
        "trainer.precision=32-true",
        "channels_last=false",
        "optimiser.generator.fused=false",
    ],
    "bfloat16": [
        "trainer.precision=bf16-mixed",
        "channels_last=true",
        "optimiser.generator.fused=true",
    ],
}


class StepTimes(Callback):
    """Writes the seconds that each step took."""

    def __init__(self, *, path):
        self.path = Path(path)
        self.times = []

    def on_train_batch_start(self, *_):
        self.start = time.perf_counter()

    def on_train_batch_end(self, *_):
        self.times.append(time.perf_counter() - self.start)

    def on_train_end(self, *_):
        self.path.write_text(json.dumps(self.times))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=300)
    steps = parser.parse_args().steps
    with TemporaryDirectory() as temporary:
        folders = {name: Path(temporary) / name for name in RIVALS}
        processes = [started(name, folder, steps) for name, folder in folders.items()]
        try:
            take_turns(processes)
        finally:
            for process in processes:
                process.kill()
        medians = {name: median_step(folder) for name, folder in folders.items()}
        scores = {name: last_psnr(folder) for name, folder in folders.items()}
    for name, seconds in medians.items():
        milliseconds = 1000 * seconds
        print(
            f"{name:10} {milliseconds:8.1f} ms a step   {scores[name]:.3f} dB after {steps} steps"
        )
    print(f"{medians['float32'] / medians['bfloat16']:.2f} times as fast")


def started(name, folder, steps):
    given = [*GIVEN, *RIVALS[name], f"trainer.max_steps={steps}", f"hydra.run.dir={folder}"]
    environment = {
        **os.environ,
        "OMP_WAIT_POLICY": "PASSIVE",
        "PYTHONPATH": str(Path(__file__).parent),
    }
    command = [sys.executable, "-m", "srlab.train", *given]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)


def take_turns(processes):
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    while running := [process for process in processes if process.poll() is None]:
        for process in running:
            process.send_signal(signal.SIGCONT)
            try:
                process.wait(TURN)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGSTOP)


def median_step(folder):
    times = json.loads((folder / "times").read_text())
    return statistics.median(times[5:])


def last_psnr(folder):
    with (folder / "metrics.csv").open() as file:
        return [float(row["val/psnr"]) for row in csv.DictReader(file) if row["val/psnr"]][-1]


if __name__ == "__main__":
    main()
