"""Prediction beside opensr-utils 2.1.0 and MONAI, of the same weights, in turns.

A scene of 4 bands of uint16 becomes four times finer by `residual` of 32 channels and 4 blocks.
It goes from GeoTIFF to GeoTIFF by srlab, in float32 and with ``precision=auto``, and by
opensr-utils as it comes. A volume of 128³ is super-resolved in memory by a 3D `residual`: by srlab,
and by MONAI's ``sliding_window_inference`` (windows of 64³, overlap 0.25), with the same threads.
opensr-utils and MONAI must be installed beside srlab.

    python benchmarks/prediction_rivals.py [--rounds 3] [--size 1024]
"""

import argparse
import logging
import time
import warnings
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from prediction import super_resolver, write_scene

import srlab
from srlab.allocation import keep_freed_memory
from srlab.generators import Residual
from srlab.io import Axis
from srlab.models.super_resolver import SuperResolver
from srlab.normalisers import Identity


class Whole(torch.nn.Module):
    """The model for opensr-utils: network range in and out, as its own models have it."""

    factor = 4

    def __init__(self, model):
        super().__init__()
        self.generator = model.generator

    def forward(self, images):
        return self.generator(images)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=1024)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("lightning").setLevel(logging.ERROR)
    print(f"allocation: {keep_freed_memory()}; {torch.get_num_threads()} threads")
    with TemporaryDirectory() as folder:
        report(images(Path(folder), options.size, options.rounds), "srlab, float32")
    report(volumes(options.rounds), "srlab")


def images(folder, size, rounds):
    """Return the seconds of each way from GeoTIFF to GeoTIFF."""
    import opensr_utils

    model, scene = saved(super_resolver()), folder / "scene.tif"
    write_scene(scene, size)
    model.save(folder / "model.safetensors")

    def ours(precision):
        srlab.super_resolve(
            scene, folder / "ours.tif", model=folder / "model.safetensors",
            overwrite=True, precision=precision, options={"compression": "none"},
        )  # fmt: skip

    def theirs():
        opensr_utils.super_resolve(
            str(scene), Whole(model), str(folder / "theirs.tif"), device="cpu", overwrite=True
        )

    ways = {
        "srlab, float32": lambda: ours("32"),
        "srlab, precision=auto": lambda: ours("auto"),
        "opensr-utils": theirs,
    }
    return in_turns(ways, rounds)


def saved(model):
    """Return the model with a card that can build it again."""
    sizes = {"in_channels": 4, "out_channels": 4, "scale": 4, "channels": 32, "blocks": 4}
    model.card = replace(
        model.card,
        generator={"_target_": "srlab.generators.Residual", **sizes, "skip": "cubic"},
        normaliser={"_target_": "srlab.normalisers.Reflectance"},
    )
    return model


def volumes(rounds):
    """Return the seconds of each way from an array to an array."""
    from monai.inferers import sliding_window_inference

    torch.manual_seed(0)
    generator = Residual(
        in_channels=1, out_channels=1, scale=2, spatial_dims=3, channels=16, blocks=4
    ).eval()
    card = replace(
        super_resolver().card,
        input_names=("T1",),
        output_names=("T1",),
        bands=(1,),
        scale=(2, 2, 2),
        axes=tuple(Axis(name, 1.0, "mm") for name in "zyx"),
        training_range=((0.0, 255.0),),
    )
    model = SuperResolver(generator=generator, normaliser=Identity(), card=card)
    model = model.eval().requires_grad_(False)
    image = np.random.default_rng(0).uniform(0, 255, (1, 128, 128, 128)).astype(np.float32)
    tensor = torch.from_numpy(image)[None]

    def theirs():
        with torch.no_grad():
            sliding_window_inference(tensor, 64, 1, generator, overlap=0.25)

    return in_turns({"srlab": lambda: model.tiled(image), "MONAI": theirs}, rounds)


def in_turns(ways, rounds):
    """Run each way once in each round, after a first round that counts for nothing."""
    seconds = defaultdict(list)
    for _ in range(rounds + 1):
        for name, way in ways.items():
            begin = time.perf_counter(), time.process_time()
            way()
            seconds[name].append((time.perf_counter() - begin[0], time.process_time() - begin[1]))
    return {name: np.array(times[1:]) for name, times in seconds.items()}


def report(seconds, first):
    """Print medians, and how many times as fast the first way is."""
    for name, times in seconds.items():
        wall, cpu = np.median(times, axis=0)
        faster = np.median(times / seconds[first], axis=0)
        print(
            f"{name:24} {wall:7.2f} s, {cpu:7.2f} s of CPU: {faster[0]:.2f} and {faster[1]:.2f} "
            f"times as long as {first}"
        )


if __name__ == "__main__":
    main()
