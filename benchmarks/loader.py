"""Random training crops from one huge raster: crops a second of one process, and its memory.

A tiled GeoTIFF of 10980 x 10980 pixels and 4 bands of uint16, as large as a Sentinel-2 tile, is
written first. Then crops of 96 x 96 pixels are drawn, degraded by ``area`` and turned, as training
draws them. Compressed blocks take longer to read than plain ones, so each kind is measured.

    python benchmarks/loader.py [--size 10980] [--crops 2000]
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
from srlab.data.splits import WholeFiles
from srlab.degradations import Area

KINDS = {
    "plain": {},
    "deflate": {"compress": "deflate", "zlevel": 1, "predictor": 2},
    "zstd": {"compress": "zstd", "zstd_level": 1, "predictor": 2},
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=10980)
    parser.add_argument("--crops", type=int, default=2000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        for kind, compression in KINDS.items():
            path = Path(folder, f"{kind}.tif")
            write_scene(path, options.size, compression)
            crops = source(path).training
            for position in range(50):
                crops[position]
            memory, start = resident(), time.process_time()
            for position in range(options.crops):
                crops[position]
            seconds = time.process_time() - start
            print(
                f"{kind:8} {options.crops / seconds:6.0f} crops a second of CPU, memory grew by "
                f"{resident() - memory:.0f} MB"
            )
            path.unlink()


def source(path):
    return Folder(
        root=str(path),
        suffixes=[".tif"],
        bands=[1, 2, 3, 4],
        scale=4,
        spatial_dims=2,
        degradation=Area(scale=4),
        crop_size=96,
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
        unit="reflectance × 10000",
        data_range=10_000.0,
        seed=0,
    )


def write_scene(path, size, compression):
    """Write smooth noise in strips, about as compressible as an image."""
    random = np.random.default_rng(0)
    shape = {"driver": "GTiff", "count": 4, "height": size, "width": size, "dtype": "uint16"}
    blocks = {"tiled": True, "blockxsize": 512, "blockysize": 512, "interleave": "pixel"}
    with rasterio.open(path, "w", **shape, **blocks, **compression) as file:
        for top in range(0, size, 512):
            rows = min(512, size - top)
            waves = 3000 + 2000 * np.sin(np.arange(size) / 37) * np.cos(top / 511)
            strip = waves + random.normal(0, 30, (4, rows, size))
            file.write(strip.astype(np.uint16), window=Window(0, top, size, rows))


def resident():
    """The memory that this process holds, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


if __name__ == "__main__":
    main()
