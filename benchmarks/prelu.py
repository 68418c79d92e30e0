"""CPU time of torch's PReLU and of srlab's, forward and backward, in turns and in one thread.

python benchmarks/prelu.py [--channels 64] [--size 96] [--repeats 20]
"""

import argparse
import statistics
import time

import torch
from torch import nn

from srlab.nn.activation import PReLU


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    shape = (8, options.channels, options.size, options.size)
    for dtype in (torch.float32, torch.bfloat16):
        for slopes in (1, options.channels):
            modules = {"torch": nn.PReLU(slopes).to(dtype), "srlab": PReLU(slopes).to(dtype)}
            times = taking_turns(modules, shape, dtype, options.repeats)
            ratios = [a / b for a, b in zip(times["torch"], times["srlab"], strict=True)]
            medians = ", ".join(
                f"{name} {1000 * statistics.median(values):.1f} ms"
                for name, values in times.items()
            )
            faster = statistics.median(ratios)
            print(f"{dtype!s:15} {slopes:3} slope(s): {medians}, {faster:.1f} times as fast")


def taking_turns(modules, shape, dtype, repeats):
    layout = torch.channels_last
    gradient = torch.randn(shape).to(dtype).contiguous(memory_format=layout)
    features = torch.randn(shape).to(dtype).contiguous(memory_format=layout).requires_grad_()
    times = {name: [] for name in modules}
    for _ in range(repeats):
        for name, module in modules.items():
            start = time.process_time()
            torch.autograd.grad(module(features), (features, module.weight), gradient)
            times[name].append(time.process_time() - start)
    return times


if __name__ == "__main__":
    main()
