"""The cost that the loss suite adds to a training step of RRDB-8.

One step is a forward pass of the generator, the loss, the backward pass and Adam, on HR crops of
128 x 128 at x4. Steps with L1 alone and with l1 + ssim + spectral_angle + gradient take turns in
one run, and their medians are compared. The suite is timed by itself as well (value and gradient
with respect to SR).

    python benchmarks/loss_cost.py [--rounds 15] [--batch 4] [--blocks 8]
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from srlab.generators import RRDB
from srlab.losses import L1, SSIM, Context, Gradient, SpectralAngle, WeightedLoss, WeightedTerm

SUITE = {"l1": L1, "ssim": SSIM, "spectral_angle": SpectralAngle, "gradient": Gradient}
WARMUP_ROUNDS = 2


def suite(*names):
    return WeightedLoss({name: WeightedTerm(term=SUITE[name](), weight=1.0) for name in names})


def options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in {"rounds": 15, "batch": 4, "blocks": 8}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args()


def cases(batch, blocks, device):
    """Functions to be timed, by name."""
    network = RRDB(in_channels=4, out_channels=4, scale=4, blocks=blocks).to(device)
    optimiser = torch.optim.Adam(network.parameters())
    lr = torch.rand(batch, 4, 32, 32, device=device)
    hr = torch.rand(batch, 4, 128, 128, device=device)
    context = Context(
        lr=lr,
        lr_physical=lr,
        hr_physical=hr,
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

    found = {"step, l1": (step, suite("l1")), "step, suite": (step, suite(*SUITE))}
    found["suite alone"] = (alone, suite(*SUITE))
    for name in SUITE:
        found[f"{name} alone"] = (alone, suite(name))
    return found


def seconds(run, loss, device):
    start = time.perf_counter()
    run(loss)
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main():
    given = options()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    timed = cases(given.batch, given.blocks, device)
    times = {name: [] for name in timed}
    for _ in range(given.rounds + WARMUP_ROUNDS):
        for name, (run, loss) in timed.items():
            times[name].append(seconds(run, loss, device))
    medians = {name: statistics.median(found[WARMUP_ROUNDS:]) for name, found in times.items()}
    print(
        f"RRDB, {given.blocks} blocks, batch of {given.batch} HR crops of 128 x 128 with 4 bands, "
        f"{device}"
    )
    for name, median in medians.items():
        percent = 100 * median / medians["step, l1"]
        print(f"{name:22} {1000 * median:8.1f} ms  {percent:6.1f} % of the step with l1")


if __name__ == "__main__":
    main()
