"""The memory that reading, training and prediction take does not grow with a stack."""

import re
import subprocess
import sys

import numpy as np
import pytest
import tifffile
import zarr

from srlab.generators import Interpolation
from srlab.io import Axis
from srlab.models.card import ModelCard
from srlab.models.super_resolver import SuperResolver
from srlab.normalisers import Identity

pytestmark = pytest.mark.slow

SMALL, LARGE = (16, 512, 512), (128, 2048, 4096)
"""The sizes of a stack of 8 MB and of one of 2 GB, both of 16 bits."""

KINDS = [".ome.tif", ".ome.zarr"]

TOLD = """
import atexit, sys
from importlib import import_module
from pathlib import Path
atexit.register(lambda: print(Path("/proc/self/status").read_text()))
sys.argv = sys.argv[1:]
"""

READ = """
from srlab.io import open_reader
reader = open_reader(sys.argv[0])
depth, height, width = reader.description.shape
for top in range(0, height, 512):
    for left in range(0, width, 512):
        reader.read((slice(0, depth), slice(top, top + 512), slice(left, left + 512)))
"""

COMMAND = "import_module(sys.argv[0]).main()"


def peak(program, *arguments, folder):
    """Return the most megabytes that a program needed, in a process of its own."""
    run = subprocess.run(
        [sys.executable, "-c", TOLD + program, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert run.returncode == 0, run.stderr
    return int(re.search(r"VmHWM:\s+(\d+) kB", run.stdout)[1]) / 1024


def stack(path, shape):
    """Write a stack of which every 16th plane holds something, and the others take no room."""
    random = np.random.default_rng(0)
    planes = range(0, shape[0], 16)
    if path.suffix == ".tif":
        tifffile.imwrite(path, shape=shape, dtype=np.uint16, metadata={"axes": "ZYX"})
        values = tifffile.memmap(path)
    else:
        axes = [{"name": name, "type": "space"} for name in "zyx"]
        level = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1.0] * 3}]}
        root = zarr.open_group(path, mode="w", zarr_format=2)
        about = {"version": "0.4", "axes": axes, "datasets": [level]}
        root.attrs["multiscales"] = [about]
        values = root.create_array("0", shape=shape, chunks=(1, 512, 512), dtype="u2", fill_value=0)
    for plane in planes:
        values[plane] = random.integers(0, 4000, shape[1:], np.uint16)


@pytest.fixture(scope="module", params=KINDS)
def stacks(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stacks")
    for name, shape in {"small": SMALL, "large": LARGE}.items():
        stack(folder / f"{name}{request.param}", shape)
    return folder, request.param


def test_windows_through_all_planes(stacks):
    folder, ending = stacks
    small, large = (peak(READ, f"{name}{ending}", folder=folder) for name in ("small", "large"))
    window = LARGE[0] * 512 * 512 * (2 + 4) / 2**20  # as stored, and as it is handed over
    assert large - small < window + 200, (small, large)


def test_training(stacks):
    folder, ending = stacks
    given = [
        *("srlab.train", "data=microscopy", "scale=2", "crop_size=32", "metric=[psnr]"),
        *("generator=residual_small", "generator.channels=4", "generator.blocks=1"),
        *("discriminator=none", "loader.batch_size=2", "loader.num_workers=0", "logger=[csv]"),
        *("trainer.max_steps=3", "trainer.val_check_interval=3"),
    ]
    small, large = (
        peak(
            COMMAND, *given, f"data.root={name}{ending}", f"hydra.run.dir=run_{name}", folder=folder
        )
        for name in ("small", "large")
    )
    assert large - small < 200


@pytest.mark.parametrize("ending", KINDS)
def test_prediction(tmp_path, ending):
    """The larger stack has 256 MB, and its output twice as much."""
    save_model(tmp_path / "model.safetensors")
    peaks = []
    for depth in (4, 64):
        stack(tmp_path / f"{depth}{ending}", (depth, 1024, 2048))
        given = [f"input={depth}{ending}", f"output=sr_{depth}{ending}"]
        command = ["srlab.predict", "model=model.safetensors", *given]
        peaks.append(peak(COMMAND, *command, folder=tmp_path))
    assert peaks[1] - peaks[0] < 200


def save_model(path):
    recipe = {"in_channels": 1, "scale": [1, 2], "spatial_dims": 2, "kind": "nearest"}
    card = ModelCard(
        generator={"_target_": "srlab.generators.Interpolation", **recipe},
        normaliser={"_target_": "srlab.normalisers.Identity"},
        scale=(1, 2),
        bands=(1,),
        input_names=("1",),
        output_names=("1",),
        unit="counts",
        training_range=((0.0, 4000.0),),
        axes=tuple(map(Axis, "yx")),
        versions={},
    )
    SuperResolver(generator=Interpolation(**recipe), normaliser=Identity(), card=card).save(path)
