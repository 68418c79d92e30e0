"""Random training crops of files that are slow to read, with and without a cache.

Colour photographs of 2040 x 2040 pixels are written as PNG and JPEG, more of them than GDAL keeps
decoded. Crops of 96 x 96 pixels are drawn in one process without a cache, from the disk and from
memory, taking turns. The first turn decodes, and is told apart.

    python benchmarks/caches.py [--photographs 40] [--crops 60] [--rounds 5]
"""

import argparse
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from loader import source
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning
from scipy.ndimage import zoom

from srlab.data.caches import DiskCache, MemoryCache


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photographs", type=int, default=40)
    parser.add_argument("--crops", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    torch.set_num_threads(1)
    with TemporaryDirectory() as name:
        root = Path(name)
        write(root, options.photographs)
        for suffix in (".png", ".jpg"):
            measure(root, suffix, options)


def write(root, photographs):
    """Write smooth noise, about as compressible as images."""
    random = np.random.default_rng(0)
    for number in range(photographs):
        smooth = zoom(random.normal(128, 40, (60, 60, 3)), (34, 34, 1), order=1)
        pixels = np.clip(smooth + random.normal(0, 4, smooth.shape), 0, 255).astype(np.uint8)
        for suffix in (".png", ".jpg"):
            Image.fromarray(pixels).save(root / f"{number}{suffix}")


def measure(root, suffix, options):
    """Print the crops a second of CPU of each cache, as medians, and what the first turn took."""
    caches = {
        "none": None,
        "disk": DiskCache(folder=str(root / "cache"), gigabytes=10, slow_only=True),
        "memory": MemoryCache(gigabytes=10, slow_only=True),
    }
    sources = {}
    for name, cache in caches.items():
        sources[name] = source(root, cache, suffix=suffix, bands=3)
    seconds = {name: [] for name in caches}
    for turn in range(options.rounds + 1):
        # The first turn draws enough crops to meet nearly every file.
        crops = options.crops if turn else 3 * options.photographs
        for name, each in sources.items():
            start = time.process_time()
            for position in range(turn * 1000, turn * 1000 + crops):
                each.training[position]
            seconds[name].append(time.process_time() - start)
    for name, (first, *later) in seconds.items():
        ratio = np.median(np.array(seconds["none"][1:]) / later)
        print(
            f"{suffix} {name:6} {options.crops / np.median(later):6.0f} crops a second of CPU, "
            f"{ratio:.1f} times as many as without; the first turn took {first:.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
