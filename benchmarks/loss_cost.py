"""What the loss suite adds to a training step of RRDB-8.

One step is a forward pass of the generator, the loss, the backward pass and Adam, on HR crops of 128 x 128 at x4. Steps
with L1 alone and with l1 + ssim + spectral_angle + gradient take turns in one run; medians are compared, and the suite
(value and gradient with respect to SR) is timed by itself as well.

    python benchmarks/loss_cost.py [--rounds 15] [--batch 4] [--blocks 8]
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from srlab.generators import RRDB
from srlab.losses import L1, SSIM, Context, Gradient, SpectralAngle, WeightedLoss

SUITE = {"l1": L1, "ssim": SSIM, "spectral_angle": SpectralAngle, "gradient": Gradient}


def suite(*names):
    return WeightedLoss({name: {"weight": 1.0, "term": SUITE[name]()} for name in names})


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in {"rounds": 15, "batch": 4, "blocks": 8}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    network = RRDB(in_channels=4, out_channels=4, scale=4, blocks=options.blocks).to(device)
    optimiser = torch.optim.Adam(network.parameters())
    lr = torch.rand(options.batch, 4, 32, 32, device=device)
    hr = torch.rand(options.batch, 4, 128, 128, device=device)
    context = Context(
        lr=lr,
        lr_physical=lr,
        valid=None,
        valid_count=None,
        step=0,
        data_range=1.0,
        degrade=lambda image: image,
        denormalise=lambda image: image,
    )

    def step(loss):
        optimiser.zero_grad()
        loss(network(lr), hr, context).total.backward()
        optimiser.step()

    def alone(loss):
        sr = hr.roll(1, -1).requires_grad_()
        loss(sr, hr, context).total.backward()

    cases = {"step, l1": (step, suite("l1")), "step, suite": (step, suite(*SUITE))}
    cases |= {"suite alone": (alone, suite(*SUITE))} | {
        f"{name} alone": (alone, suite(name)) for name in SUITE
    }
    times = {name: [] for name in cases}
    for number in range(options.rounds + 2):
        for name, (run, loss) in cases.items():
            start = time.perf_counter()
            run(loss)
            if device == "cuda":
                torch.cuda.synchronize()
            if number >= 2:
                times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(
        f"RRDB, {options.blocks} blocks, batch of {options.batch} HR crops of 128 x 128 with 4 bands, {device}"
    )
    for name, seconds in medians.items():
        print(
            f"{name:22} {1000 * seconds:8.1f} ms  {100 * seconds / medians['step, l1']:6.1f} % of the step with l1"
        )


if __name__ == "__main__":
    main()
