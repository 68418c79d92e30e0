"""Prediction beside opensr-utils 2.1.0 and MONAI, of the same weights, in turns.

A scene of 4 bands of uint16 becomes four times finer by `residual` of 32 channels and 4 blocks.
It goes from GeoTIFF to GeoTIFF by srlab, in float32 and with ``precision=auto``, and by
opensr-utils as it comes. A volume of 128³ is super-resolved in memory by a 3D `residual`, by srlab
and by MONAI's ``sliding_window_inference`` (windows of 64³, overlap 0.25). The network alone, once
on each pixel of the scene and in its best memory format, is the ideal. Each way has a process of
its own with the same threads, and memory is allocated as that package has it. opensr-utils and
MONAI must be installed beside srlab.

    python benchmarks/prediction_rivals.py [--rounds 3] [--size 1024]
"""

import argparse
import logging
import multiprocessing
import time
import warnings
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

IMAGES = ("srlab, float32", "srlab, precision=auto", "opensr-utils", "network alone")
VOLUMES = ("srlab, volume", "MONAI")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=1024)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        write_scene(Path(folder, "scene.tif"), options.size)
        saved().save(Path(folder, "model.safetensors"))
        for names in (IMAGES, VOLUMES):
            report(in_turns(names, folder, options.rounds))


def in_turns(names, folder, rounds):
    """Run each way once in each round, after a first round that counts for nothing."""
    context = multiprocessing.get_context("spawn")
    pipes = {}
    for name in names:
        pipes[name], theirs = context.Pipe()
        context.Process(target=serve, args=(name, folder, theirs), daemon=True).start()
    seconds = {name: [] for name in names}
    for _ in range(rounds + 1):
        for name, pipe in pipes.items():
            pipe.send("run")
            seconds[name].append(pipe.recv())
    return {name: np.array(times[1:]) for name, times in seconds.items()}


def serve(name, folder, pipe):
    """Run one way whenever it is asked for, and return its wall and CPU seconds."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    run = WAYS[name](Path(folder))
    while True:
        try:
            pipe.recv()
        except EOFError:  # the rounds are over
            return
        begin = time.perf_counter(), time.process_time()
        run()
        pipe.send((time.perf_counter() - begin[0], time.process_time() - begin[1]))


def ours(precision):
    def prepared(folder):
        keep_freed_memory()
        return lambda: srlab.super_resolve(
            folder / "scene.tif", folder / f"{precision}.tif", overwrite=True,
            model=folder / "model.safetensors", precision=precision,
            options={"compression": "none"},
        )  # fmt: skip

    return prepared


class ForOpensr(torch.nn.Module):
    """The network for opensr-utils: network range in and out, as its own models have it."""

    factor = 4

    def __init__(self):
        super().__init__()
        self.generator = saved().generator

    def forward(self, images):
        return self.generator(images)


def opensr(folder):
    import opensr_utils

    network = ForOpensr()
    given = {"device": "cpu", "overwrite": True}
    return lambda: opensr_utils.super_resolve(
        str(folder / "scene.tif"), network, str(folder / "theirs.tif"), **given
    )


def alone(folder):
    """The network on strips of the scene that have no overlap."""
    keep_freed_memory()
    import rasterio

    with rasterio.open(folder / "scene.tif") as file:
        pixels = torch.from_numpy(file.read().astype(np.float32) / 10_000)[None]
    network = saved().generator.to(memory_format=torch.channels_last)
    tiles = [tile for rows in pixels.split(256, dim=2) for tile in rows.split(256, dim=3)]

    def run():
        with torch.no_grad():
            for tile in tiles:
                network(tile.contiguous(memory_format=torch.channels_last))

    return run


def volume_of(folder):
    keep_freed_memory()
    model, image = volumetric()
    return lambda: model.tiled(image)


def monai(folder):
    from monai.inferers import sliding_window_inference

    model, image = volumetric()
    tensor = torch.from_numpy(image)[None]

    def run():
        with torch.no_grad():
            sliding_window_inference(tensor, 64, 1, model.generator, overlap=0.25)

    return run


WAYS = {
    "srlab, float32": ours("32"),
    "srlab, precision=auto": ours("auto"),
    "opensr-utils": opensr,
    "network alone": alone,
    "srlab, volume": volume_of,
    "MONAI": monai,
}


def saved():
    """Return the model of images, with a card that can build it again."""
    model = super_resolver()
    sizes = {"in_channels": 4, "out_channels": 4, "scale": 4, "channels": 32, "blocks": 4}
    model.card = replace(
        model.card,
        generator={"_target_": "srlab.generators.Residual", **sizes, "skip": "cubic"},
        normaliser={"_target_": "srlab.normalisers.Reflectance"},
    )
    return model


def volumetric():
    """Return a model of volumes, and a volume."""
    torch.manual_seed(0)
    generator = Residual(
        in_channels=1, out_channels=1, scale=2, spatial_dims=3, channels=16, blocks=4
    )
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
    image = np.random.default_rng(0).uniform(0, 255, (1, 128, 128, 128)).astype(np.float32)
    return model.eval().requires_grad_(False), image


def report(seconds):
    """Print medians, and how many times as long as the first way each takes."""
    first, *_ = seconds
    for name, times in seconds.items():
        wall, cpu = np.median(times, axis=0)
        longer = np.median(times / seconds[first], axis=0)
        print(
            f"{name:24} {wall:7.2f} s, {cpu:7.2f} s of CPU: {longer[0]:.2f} and {longer[1]:.2f} "
            f"times as long as {first}"
        )


if __name__ == "__main__":
    main()
