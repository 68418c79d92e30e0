"""The memory that prediction takes does not grow with a scene."""

import re
import subprocess
import sys

import numpy as np
import pytest
import rasterio
from model_examples import card

from srlab.generators import Interpolation
from srlab.models.super_resolver import SuperResolver
from srlab.normalisers import Identity

COMMAND = """
from pathlib import Path
from srlab.predict import main
main()
print(Path("/proc/self/status").read_text())
"""


def peak(folder, side):
    """Return the most megabytes that the prediction of a square scene takes."""
    pixels = np.random.default_rng(0).integers(1, 250, (4, 512, side), np.uint16)
    profile = {"count": 4, "height": side, "width": side, "dtype": "uint16", "tiled": True}
    with rasterio.open(folder / "in.tif", "w", driver="GTiff", **profile) as file:
        for row in range(0, side, 512):
            file.write(pixels, window=((row, row + 512), (0, side)))
    given = ["model=model.safetensors", "input=in.tif", "output=out.tif", "compression=none"]
    given += ["overwrite=true", "force=[band_names,dtype,pixel_size,value_range]"]
    run = subprocess.run(
        [sys.executable, "-c", COMMAND, *given], capture_output=True, text=True, cwd=folder
    )
    assert run.returncode == 0, run.stderr
    return int(re.search(r"VmHWM:\s+(\d+) kB", run.stdout)[1]) / 1024


@pytest.mark.slow
def test_a_scene_of_four_times_the_pixels_takes_no_more(tmp_path):
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
    model = SuperResolver(generator=network, normaliser=Identity(), card=described)
    model.save(tmp_path / "model.safetensors")
    small, large = peak(tmp_path, 2048), peak(tmp_path, 4096)
    assert large < 1.15 * small
