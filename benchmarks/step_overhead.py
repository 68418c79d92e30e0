"""Cost of srlab's training step beyond a hand-written PyTorch loop.

Both train SRResNet (16 blocks of 64 channels, x4) against SRGAN's discriminator by L1 and BCE. Each
network has its own Adam, and batches are 8 LR crops of 24 x 24.

They take turns step by step in one run. The time of srlab is all between two hand-written steps. So
Lightning's loop, the data loader, norms, the guard and logging are in it.

    python benchmarks/step_overhead.py [--steps 40] [--precision 32-true]
"""

import argparse
import copy
import os
import statistics
import sys
import time
from contextlib import nullcontext
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
import torch.nn.functional as F
from lightning import Callback

GIVEN = [
    "generator=srresnet",
    "discriminator=srgan",
    "data=demo",
    "data.crop_size=96",
    "loader.batch_size=8",
    "loader.num_workers=0",
    "ema=null",
    "schedule.pretrain_steps=0",
    "schedule.ramp_steps=0",
    "optimiser.generator.fused=true",
    "optimiser.discriminator.fused=true",
    "logger=[csv]",
    "trainer.val_check_interval=100000",
    "callbacks.checkpoints.every=100000",
    "+callbacks.rival._target_=step_overhead.Rival",
]
TIMES = {"srlab": [], "hand-written": []}


class Rival(Callback):
    """Takes a hand-written step on the same batch after each of srlab's, with its own networks."""

    def on_train_start(self, trainer, module):
        self.generator = copy.deepcopy(module.generator)
        self.discriminator = copy.deepcopy(module.discriminator)
        self.optimisers = [
            torch.optim.Adam(network.parameters(), lr=1e-4, betas=(0.9, 0.99), fused=True)
            for network in (self.generator, self.discriminator)
        ]
        self.device = module.device.type
        self.precision = nullcontext()
        if "bf16" in str(trainer.precision):
            self.precision = torch.autocast(self.device, torch.bfloat16)
        self.since = self.now()

    def now(self):
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def on_train_batch_end(self, trainer, module, outputs, batch, *_):
        start = self.now()
        TIMES["srlab"].append(start - self.since)
        lr, hr = module.normaliser.lr(batch[0]["lr"]), module.normaliser.hr(batch[0]["hr"])
        with self.precision:
            self.step(lr, hr)
        end = self.now()
        TIMES["hand-written"].append(end - start)
        self.since = self.now()

    def step(self, lr, hr):
        for optimiser in self.optimisers:
            optimiser.zero_grad()
        sr = self.generator(lr)
        (real,) = self.discriminator(hr).logits
        self.discriminator.requires_grad_(False)
        (fake,) = self.discriminator(sr).logits
        self.discriminator.requires_grad_(True)
        (F.l1_loss(sr, hr) + 1e-3 * F.softplus(-fake).mean()).backward()
        self.optimisers[0].step()
        (fake,) = self.discriminator(sr.detach()).logits
        (F.softplus(-real).mean() + F.softplus(fake).mean()).backward()
        self.optimisers[1].step()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--precision", default="32-true", choices=["32-true", "bf16-mixed"])
    options = parser.parse_args()

    import step_overhead  # Hydra makes the callback from this module, which is not __main__

    import srlab.train

    with TemporaryDirectory() as folder:
        steps = [f"trainer.max_steps={options.steps + 5}", f"trainer.precision={options.precision}"]
        sys.argv = ["srlab.train", *GIVEN, *steps, f"hydra.run.dir={folder}/run"]
        srlab.train.main()
    times = {name: values[5:] for name, values in step_overhead.TIMES.items()}
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, seconds in medians.items():
        print(f"{name:14} {1000 * seconds:9.1f} ms a step")
    pairs = zip(times["srlab"], times["hand-written"], strict=True)
    ratios = [ours / theirs for ours, theirs in pairs]
    print(
        f"{'ratio':14} {medians['srlab'] / medians['hand-written']:9.3f} of medians; "
        f"median of {len(ratios)} ratios of neighbours {statistics.median(ratios):.3f}"
    )


if __name__ == "__main__":
    main()
