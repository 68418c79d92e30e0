"""Peak memory of one training step of RRDB with and without checkpointing.

Each case runs in a process of its own. A step on a tiny crop comes first, so that gradients and
Adam's moments exist. The peak is counted above the level before the forward pass of the next step,
on one LR crop. On a GPU the allocator counts; on a CPU the kernel does (Linux). The tensors that
the forward pass keeps for the backward pass are counted as well. Their size is the same on every
machine.

    python benchmarks/checkpointing_memory.py [--blocks 23] [--channels 64] [--size 48] [--scale 4]
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

STATUS = Path("/proc/self/status")


def step(network, optimiser, size, scale, device):
    import torch

    lr = torch.rand(1, 3, size, size, device=device)
    hr = torch.rand(1, 3, scale * size, scale * size, device=device)
    kept = {}

    def keep(tensor):
        if not isinstance(tensor, torch.nn.Parameter):
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = torch.nn.functional.l1_loss(network(lr), hr)
    loss.backward()
    optimiser.step()
    optimiser.zero_grad(set_to_none=False)
    return sum(kept.values())


def memory(field):
    return int(re.search(rf"{field}:\s+(\d+) kB", STATUS.read_text())[1]) * 1024


def measure(options, *, checkpointing):
    import torch

    from srlab.generators import RRDB

    torch.manual_seed(0)
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda" if on_gpu else "cpu")
    size = {"channels": options.channels, "blocks": options.blocks}
    network = RRDB(
        in_channels=3, out_channels=3, scale=options.scale, **size, checkpointing=checkpointing
    ).to(device)
    optimiser = torch.optim.Adam(network.parameters())
    step(network, optimiser, 8, options.scale, device)
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        level = torch.cuda.memory_allocated()
    else:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
        level = memory("VmRSS")
    start = time.perf_counter()
    kept = step(network, optimiser, options.size, options.scale, device)
    seconds = time.perf_counter() - start
    peak = torch.cuda.max_memory_allocated() if on_gpu else memory("VmHWM")
    return {"kept": kept, "peak": peak - level, "seconds": seconds, "device": device.type}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in {"blocks": 23, "channels": 64, "size": 48, "scale": 4}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--case", choices=["plain", "checkpointing"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(measure(options, checkpointing=options.case == "checkpointing")))
        return
    rows = {}
    # glibc then gives freed tensors back at once, and does not raise the threshold by itself
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "OMP_WAIT_POLICY": "PASSIVE"}
    for case in ("plain", "checkpointing"):
        command = [sys.executable, __file__, *sys.argv[1:], "--case", case]
        result = subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True
        )
        rows[case] = json.loads(result.stdout.splitlines()[-1])
    what = f"RRDB, {options.blocks} blocks of {options.channels} channels, x{options.scale}"
    print(f"{what}, one LR crop of {options.size} x {options.size}, {rows['plain']['device']}")
    print(f"{'':14} {'kept for backward':>18} {'peak of a step':>15} {'seconds':>8}")
    for case, row in rows.items():
        kept, peak = row["kept"] / 2**20, row["peak"] / 2**20
        print(f"{case:14} {kept:14.0f} MiB {peak:11.0f} MiB {row['seconds']:8.1f}")
    ratios = {
        key: rows["checkpointing"][key] / rows["plain"][key] for key in ("kept", "peak", "seconds")
    }
    print(f"{'ratio':14} {ratios['kept']:18.2f} {ratios['peak']:15.2f} {ratios['seconds']:8.2f}")


if __name__ == "__main__":
    main()
