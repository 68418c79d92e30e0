"""Random training crops from one huge raster: crops a second of one process, and its memory.

A tiled GeoTIFF of 10980 x 10980 pixels and 4 bands of uint16, as large as a Sentinel-2 tile, is
written first. Then crops of 96 x 96 pixels are drawn, degraded by ``area`` and turned, as training
draws them. A block is decoded whole for each crop in it, so compressions and sides of blocks take
turns. The last kind is large compressed blocks again, out of a cache on the disk.

    python benchmarks/loader.py [--size 10980] [--crops 300] [--rounds 5]
"""

import argparse
import resource
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import rasterio
import torch
from rasterio.windows import Window

from srlab.data import Folder
from srlab.data.caches import DiskCache
from srlab.data.splits import WholeFiles
from srlab.degradations import Area

COMPRESSIONS = {
    "plain": {},
    "zstd": {"compress": "zstd", "zstd_level": 1, "predictor": 2},
    "deflate": {"compress": "deflate", "zlevel": 1, "predictor": 2},
}
SIDES = (256, 512)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=10980)
    parser.add_argument("--crops", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        kinds = dict(sources(Path(folder), options.size))
        measure(kinds, options.crops, options.rounds)


def sources(folder, size):
    """Write a scene of each kind, and yield its name and its training crops."""
    for compression, settings in COMPRESSIONS.items():
        for side in SIDES:
            name = f"{compression} {side}"
            path = folder / f"{name}.tif"
            write_scene(path, size, side, settings)
            yield name, source(path).training
    cache = DiskCache(folder=str(folder / "cache"), gigabytes=10, slow_only=False)
    yield f"{name}, cached", source(path, cache).training


def measure(kinds, crops, rounds):
    """Let the kinds take turns, and print the median of their rates and of the ratios in a turn."""
    rates, grown = {name: [] for name in kinds}, {}
    for turn in range(rounds + 1):  # the first opens files and fills GDAL's cache
        for name, training in kinds.items():
            memory, start = resident(), time.process_time()
            for position in range(turn * crops, (turn + 1) * crops):
                training[position]
            rates[name].append(crops / (time.process_time() - start))
            grown[name] = resident() - memory
    plain = np.array(next(iter(rates.values()))[1:])
    for name, each in rates.items():
        rate = np.array(each[1:])
        print(
            f"{name:20} {np.median(rate):6.0f} crops a second of CPU, {np.median(rate / plain):.2f}"
            f" of plain, memory grew by {grown[name]:.0f} MB in the last turn"
        )


def source(path, cache=None, *, suffix=".tif", bands=4, spatial_dims=2, scale=4, crop_size=96):
    return Folder(
        root=str(path),
        suffixes=[suffix],
        bands=list(range(1, bands + 1)),
        scale=scale,
        spatial_dims=spatial_dims,
        degradation=Area(scale=scale, spatial_dims=spatial_dims),
        crop_size=crop_size,
        valid_share=0.5,
        weighting="none",
        symmetries=["flips", "quarter_turns"],
        mask=None,
        hidden_classes=[0],
        channel_dropout=0.0,
        intensity_jitter=0.0,
        split=WholeFiles(fraction=0.1),
        validation_size=256,
        validation_views=4,
        test_size=1024,
        unit=None,
        data_range=None,
        seed=0,
        cache=cache,
    )


def write_scene(path, size, side, compression):
    """Write smooth noise in strips, about as compressible as an image."""
    random = np.random.default_rng(0)
    shape = {"driver": "GTiff", "count": 4, "height": size, "width": size, "dtype": "uint16"}
    blocks = {"tiled": True, "blockxsize": side, "blockysize": side, "interleave": "pixel"}
    noise = random.normal(0, 30, (4, 512, size)).astype(np.float32)
    with rasterio.open(path, "w", **shape, **blocks, **compression) as file:
        for top in range(0, size, 512):
            rows = min(512, size - top)
            waves = 3000 + 2000 * np.sin(np.arange(size) / 37) * np.cos(top / 511)
            strip = waves.astype(np.float32) + np.roll(noise, 7 * top, axis=2)[:, :rows]
            file.write(strip.astype(np.uint16), window=Window(0, top, size, rows))


def resident():
    """The memory that this process holds, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


if __name__ == "__main__":
    main()
