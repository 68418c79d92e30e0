"""Random training crops from one volume: crops a second of one process, and its memory.

A NIfTI of 256 x 256 x 256 voxels of int16 is written, plain and compressed. Then crops of 64 x 64 x
64 voxels are drawn, degraded by ``area`` and turned, as training draws them. The kinds take turns:
plain, compressed, and compressed out of a cache on the disk.

    python benchmarks/volume_loader.py [--side 256] [--crops 20] [--rounds 5]
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel
import numpy as np
import torch
from loader import measure, source

from srlab.data.caches import DiskCache


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--crops", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        kinds = dict(sources(Path(folder), options.side))
        measure(kinds, options.crops, options.rounds)


def sources(folder, side):
    """Write the volume of each kind, and yield its name and its training crops."""
    random = np.random.default_rng(0)
    waves = np.add.outer(np.sin(np.arange(side) / 37), np.cos(np.arange(side) / 31))
    volume = 900 + 300 * waves + random.normal(0, 9, (side, side, side)).astype(np.float32)
    image = nibabel.Nifti1Image(volume.astype(np.int16), np.eye(4))
    cache = DiskCache(folder=str(folder / "cache"), gigabytes=10, slow_only=False)
    for suffix in (".nii", ".nii.gz"):
        nibabel.save(image, folder / f"volume{suffix}")
    for name, kept in ((".nii", None), (".nii.gz", None), (".nii.gz, cached", cache)):
        suffix = name.partition(",")[0]
        options = {"suffix": suffix, "bands": 1, "spatial_dims": 3, "scale": 2, "crop_size": 64}
        yield name, source(folder / f"volume{suffix}", kept, **options).training


if __name__ == "__main__":
    main()
