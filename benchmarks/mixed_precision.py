"""What bfloat16, channels last and a fused Adam gain over float32, and whether they cost quality.

Two runs of srlab.train (SRResNet, 16 blocks of 64 channels, x4, batches of 8 LR crops of 24 x 24, L1, no discriminator)
go on at the same time, but take turns of a few seconds, so that both meet the same machine. Their median step times
and their last validations are compared.

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
GIVEN = [
    *(
        "generator=srresnet",
        "discriminator=none",
        "data=demo",
        "data.crop_size=96",
        "loader.batch_size=8",
    ),
    *("loader.num_workers=0", "ema=null", "logger=[csv]"),
    *(
        "generator.skip=cubic",
        "trainer.val_check_interval=100000",
        "callbacks.checkpoints.every=100000",
    ),
    *(
        "+callbacks.times._target_=mixed_precision.StepTimes",
        "+callbacks.times.path=${hydra:runtime.output_dir}/times",
    ),
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
    """Writes how long each step took."""

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
    options = parser.parse_args()
    environment = {
        **os.environ,
        "OMP_WAIT_POLICY": "PASSIVE",
        "PYTHONPATH": str(Path(__file__).parent),
    }
    with TemporaryDirectory() as folder:
        started = {
            name: subprocess.Popen(
                [sys.executable, "-m", "srlab.train", *GIVEN, *given, f"trainer.max_steps={options.steps}",
                 f"hydra.run.dir={folder}/{name}"],
                env=environment, stdout=subprocess.DEVNULL,
            )
            for name, given in RIVALS.items()
        }  # fmt: skip
        try:
            take_turns(list(started.values()))
        finally:
            for process in started.values():
                process.kill()
        times = {name: json.loads((Path(folder) / name / "times").read_text()) for name in RIVALS}
        scores = {name: last_psnr(Path(folder) / name / "metrics.csv") for name in RIVALS}
    medians = {name: statistics.median(values[5:]) for name, values in times.items()}
    for name in RIVALS:
        print(
            f"{name:10} {1000 * medians[name]:8.1f} ms a step   {scores[name]:.3f} dB after {options.steps} steps"
        )
    print(f"{medians['float32'] / medians['bfloat16']:.2f} times as fast")


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


def last_psnr(path):
    with path.open() as file:
        return [float(row["val/psnr"]) for row in csv.DictReader(file) if row["val/psnr"]][-1]


if __name__ == "__main__":
    main()
