"""The memory that prediction takes does not grow with a scene, or with the length of a video.

Freed memory falls into pieces, by chance and in proportion to the tile. So tiles are small here,
and the smaller image, too, has many of them and is larger than GDAL's cache.
"""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
import rasterio
from clips import clip, moving
from model_examples import card, model

from srlab.generators import Interpolation
from srlab.models.super_resolver import SuperResolver
from srlab.normalisers import Identity

pytestmark = pytest.mark.slow

MOST_GROWTH = 50
"""Megabytes by which a peak may vary. The larger images hold 68 MB more, as they are stored."""

COMMAND = """
from pathlib import Path
from srlab.predict import main
main()
print(Path("/proc/self/status").read_text())
"""


def peak(folder, *given):
    """Return the most megabytes that a prediction takes."""
    given = ["model=model.safetensors", "overwrite=true", *given]
    run = subprocess.run(
        [sys.executable, "-c", COMMAND, *given],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"GDAL_CACHEMAX": "8"},  # megabytes
    )
    assert run.returncode == 0, run.stderr
    return int(re.search(r"VmHWM:\s+(\d+) kB", run.stdout)[1]) / 1024


def peak_of_scene(folder, side, *given):
    """Return that of a square scene."""
    pixels = np.random.default_rng(0).integers(1, 250, (4, 512, side), np.uint16)
    profile = {"count": 4, "height": side, "width": side, "dtype": "uint16", "tiled": True}
    with rasterio.open(folder / "in.tif", "w", driver="GTiff", **profile) as file:
        for row in range(0, side, 512):
            file.write(pixels, window=((row, row + 512), (0, side)))
    force = "force=[band_names,dtype,pixel_size,value_range]"
    return peak(folder, "input=in.tif", "output=out.tif", "tile=160", force, *given)


@pytest.mark.parametrize("given", [("compression=none",), ("compression=zstd", "layout=cog")])
def test_a_scene_of_three_times_the_pixels_takes_no_more(tmp_path, given):
    recipe = {"in_channels": 4, "scale": [4, 4], "spatial_dims": 2, "kind": "nearest"}
    names = tuple("abcd")
    described = card(
        generator={"_target_": "srlab.generators.Interpolation", **recipe},
        scale=(4, 4),
        bands=(1, 2, 3, 4),
        input_names=names,
        output_names=names,
        training_range=((0.0, 255.0),) * 4,
    )
    network = Interpolation(**recipe)
    copying = SuperResolver(generator=network, normaliser=Identity(), card=described)
    copying.save(tmp_path / "model.safetensors")
    small, large = (peak_of_scene(tmp_path, side, *given) for side in (2048, 3584))
    assert large - small < MOST_GROWTH, (small, large)


def test_a_video_of_many_times_the_frames_takes_no_more(tmp_path):
    model().save(tmp_path / "model.safetensors")
    given = ["bands=[1,2,3]", "force=[pixel_size]", "overlap=4", "output=out.mkv", "tile=[120,160]"]
    peaks = []
    for count in (64, 360):  # two segments, and many; 296 frames have 68 MB
        clip(tmp_path / f"{count}.mp4", frames=moving(count, 240, 320))
        peaks.append(peak(tmp_path, f"input={count}.mp4", *given))
    assert peaks[1] - peaks[0] < MOST_GROWTH, peaks
