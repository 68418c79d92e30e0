"""The memory that reading, training and prediction take does not grow with a volume."""

import io
import re
import subprocess
import sys

import nibabel
import numpy as np
import pytest
from isal import igzip

from srlab.generators import Interpolation
from srlab.io import Axis
from srlab.models.card import ModelCard
from srlab.models.super_resolver import SuperResolver
from srlab.normalisers import Identity

pytestmark = pytest.mark.slow

SMALL, LARGE = 256, 512
"""Voxels along each axis; the large volume has 268 MB."""

READ = """
import sys
import numpy as np
from srlab.io import open_reader
reader = open_reader(sys.argv[1])
random = np.random.default_rng(0)
for _ in range(20):
    starts = random.integers(0, reader.description.shape[0] - 63, 3).tolist()
    reader.read(tuple(slice(start, start + 64) for start in starts))
"""

COMMAND = """
import sys
from importlib import import_module
import_module(sys.argv[0]).main()
"""

PEAK = """
import atexit, sys
from pathlib import Path
atexit.register(lambda: print(Path("/proc/self/status").read_text()))
sys.argv = sys.argv[1:]
"""


def peak(program, *arguments, folder):
    """Return the most megabytes that a program needed, in a process of its own."""
    run = subprocess.run(
        [sys.executable, "-c", PEAK + program, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert run.returncode == 0, run.stderr
    return int(re.search(r"VmHWM:\s+(\d+) kB", run.stdout)[1]) / 1024


@pytest.fixture(scope="module", params=[".nii", ".nii.gz"])
def volumes(request, tmp_path_factory):
    """A small and a large volume, of a texture that a noise covers."""
    folder = tmp_path_factory.mktemp("volumes")
    for side in (SMALL, LARGE):
        write(folder / f"{side}{request.param}", side)
    return folder, request.param


def write(path, side):
    header = nibabel.Nifti1Image(np.zeros((1, 1, 1), np.int16), np.eye(4)).header
    header.set_data_shape((side,) * 3)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    head = io.BytesIO()
    header.write_to(head)
    random = np.random.default_rng(0)
    plane = np.add.outer(np.sin(np.arange(side) / 9), np.cos(np.arange(side) / 11))
    plane = (500 + 100 * plane + random.integers(0, 50, plane.shape)).astype("<i2")
    opener = igzip.open if path.suffix == ".gz" else open
    with opener(path, "wb") as file:
        file.write(head.getvalue().ljust(352, b"\0"))
        for number in range(side):
            file.write(np.roll(plane, number, axis=0).tobytes())


def growth(volumes, program, arguments):
    """Return how many more megabytes the large volume takes than the small one."""
    folder, ending = volumes
    peaks = [
        peak(program, *(each.format(f"{side}{ending}") for each in arguments), folder=folder)
        for side in (SMALL, LARGE)
    ]
    return peaks[1] - peaks[0]


def test_random_windows(volumes):
    assert growth(volumes, READ, ["read", "{}"]) < 200


def test_training(volumes):
    given = [
        *("srlab.train", "data=medical_mri", "data.root={}", "spatial_dims=3", "scale=2"),
        *("crop_size=32", "generator=residual_small", "generator.channels=4", "generator.blocks=1"),
        *("discriminator=none", "loader.batch_size=2", "loader.num_workers=0", "metric=[psnr]"),
        "data.validation_size=16",  # of the small volume less is held out
        *("trainer.max_steps=3", "trainer.val_check_interval=3", "logger=[csv]"),
        "hydra.run.dir=run_{}",
    ]
    assert growth(volumes, COMMAND, given) < 200


def test_prediction_of_twice_as_many_slices(volumes):
    folder, ending = volumes
    save_model(folder / "model.safetensors")
    # Freed memory falls into pieces in proportion to the tile, so tiles are small here.
    given = ["srlab.predict", "model=model.safetensors", "tile=64", "input={}", "output=sr_{}"]
    assert growth(volumes, COMMAND, given) < 180  # the input has 235 MB more
    assert nibabel.load(folder / f"sr_{LARGE}{ending}").shape == (LARGE, LARGE, 2 * LARGE)


def save_model(path):
    recipe = {"in_channels": 1, "scale": [2, 1, 1], "spatial_dims": 3, "kind": "nearest"}
    card = ModelCard(
        generator={"_target_": "srlab.generators.Interpolation", **recipe},
        normaliser={"_target_": "srlab.normalisers.Identity"},
        scale=(2, 1, 1),
        bands=(1,),
        input_names=("1",),
        output_names=("1",),
        unit="signal",
        training_range=((0.0, 1000.0),),
        axes=tuple(map(Axis, "zyx")),
        versions={},
    )
    network = Interpolation(**recipe)
    SuperResolver(generator=network, normaliser=Identity(), card=card).save(path)
