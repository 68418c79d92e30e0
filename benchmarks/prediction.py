"""Prediction end to end, beside the network alone, opensr-utils 2.1.0 and MONAI, taking turns.

A scene of 4 bands of uint16 becomes four times finer by `residual` of 32 channels and 4 blocks,
from GeoTIFF to GeoTIFF. The *ideal* is the network alone, on each pixel of the scene once, in its
best memory format. A volume of 128³ becomes two times finer in memory by a 3D `residual`, and by
MONAI's ``sliding_window_inference`` (windows of 64³, overlap 0.25). All ways have the same weights
and threads, and each has a process of its own. opensr-utils and MONAI take part where they are
installed beside srlab.

    python benchmarks/prediction.py [--rounds 5] [--size 1024]
"""

import argparse
import logging
import multiprocessing
import os
import time
import warnings
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import rasterio
import torch
import torch.nn.functional as F

import srlab
from srlab.allocation import keep_freed_memory
from srlab.generators import Residual
from srlab.io import Axis
from srlab.models.card import ModelCard
from srlab.models.super_resolver import SuperResolver
from srlab.normalisers import Identity, Reflectance

BANDS = ("B02", "B03", "B04", "B08")
SIDE = 256
"""Pixels a side of the pieces that the network alone is given."""


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=1024)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        write_scene(Path(folder, "scene.tif"), options.size)
        model_of_images().save(Path(folder, "model.safetensors"))
        for ways in (IMAGES, VOLUMES):
            names = [name for name, (package, _) in ways.items() if find_spec(package)]
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
    _, prepare = (IMAGES | VOLUMES)[name]
    run = prepare(Path(folder))
    while True:
        try:
            pipe.recv()
        except EOFError:  # the rounds are over
            return
        begin = time.perf_counter(), time.process_time()
        run()
        pipe.send((time.perf_counter() - begin[0], time.process_time() - begin[1]))


def alone(folder):
    """The network on pieces of the scene that have no overlap."""
    keep_freed_memory()
    with rasterio.open(folder / "scene.tif") as file:
        pixels = torch.from_numpy(file.read().astype(np.float32) / 10_000)[None]
    network = model_of_images().generator.to(memory_format=torch.channels_last)
    pieces = [piece for rows in pixels.split(SIDE, dim=2) for piece in rows.split(SIDE, dim=3)]

    def run():
        with torch.no_grad():
            for piece in pieces:
                network(piece.contiguous(memory_format=torch.channels_last))

    return run


def ours(compression, precision="32"):
    def prepared(folder):
        keep_freed_memory()
        output = folder / f"{compression}_{precision}.tif"

        def run():
            output.unlink(missing_ok=True)
            srlab.super_resolve(
                folder / "scene.tif",
                output,
                model=folder / "model.safetensors",
                precision=precision,
                options={"compression": compression},
            )

        return run

    return prepared


class ForOpensr(torch.nn.Module):
    """The network for opensr-utils: network range in and out, as its own models have it."""

    factor = 4

    def __init__(self):
        super().__init__()
        self.generator = model_of_images().generator

    def forward(self, images):
        return self.generator(images)


def opensr(folder):
    import opensr_utils

    network = ForOpensr()
    scene, output = str(folder / "scene.tif"), str(folder / "theirs.tif")
    return lambda: opensr_utils.super_resolve(scene, network, output, device="cpu", overwrite=True)


def volume_of(folder):
    keep_freed_memory()
    model, image = model_of_volumes()
    return lambda: model.tiled(image)


def monai(folder):
    from monai.inferers import sliding_window_inference

    model, image = model_of_volumes()
    tensor = torch.from_numpy(image)[None]

    def run():
        with torch.no_grad():
            sliding_window_inference(tensor, 64, 1, model.generator, overlap=0.25)

    return run


IMAGES = {
    "network alone": ("srlab", alone),
    "srlab, uncompressed": ("srlab", ours("none")),
    "srlab, zstd": ("srlab", ours("zstd")),
    "srlab, deflate": ("srlab", ours("deflate")),
    "srlab, precision=auto": ("srlab", ours("none", "auto")),
    "opensr-utils": ("opensr_utils", opensr),
}
"""Each way, the package that it needs, and what prepares it."""

VOLUMES = {"srlab, volume": ("srlab", volume_of), "MONAI": ("monai", monai)}


def write_scene(path, size):
    """Write fields of several sizes and a little noise, as compressible as a satellite's image."""
    random = torch.Generator().manual_seed(0)
    image = 20 * torch.randn(1, 4, size, size, generator=random)
    for cells in (8, 32, 128):
        field = torch.randn(1, 4, cells, cells, generator=random)
        image += 6000 / cells * F.interpolate(field, size=(size, size), mode="bicubic")
    stored = (2000 + image[0]).clamp(1, 10_000).round().numpy().astype(np.uint16)
    profile = {"driver": "GTiff", "count": 4, "height": size, "width": size, "dtype": "uint16"}
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 4e5, 0, -10, 53e5)}
    with rasterio.open(path, "w", tiled=True, compress="deflate", **profile, **place) as file:
        file.write(stored)
        file.descriptions = BANDS


def model_of_images():
    torch.manual_seed(0)
    sizes = {"in_channels": 4, "out_channels": 4, "scale": 4, "channels": 32, "blocks": 4}
    generator = with_a_tail(Residual(**sizes, skip="cubic"))
    card = ModelCard(
        generator={"_target_": "srlab.generators.Residual", **sizes, "skip": "cubic"},
        normaliser={"_target_": "srlab.normalisers.Reflectance"},
        scale=(4, 4),
        bands=(1, 2, 3, 4),
        input_names=BANDS,
        output_names=BANDS,
        unit="reflectance x 10 000",
        training_range=((0.0, 10_000.0),) * 4,
        axes=(Axis("y", 10.0, "m"), Axis("x", 10.0, "m")),
        versions={},
    )
    model = SuperResolver(generator=generator, normaliser=Reflectance(), card=card)
    return model.eval().requires_grad_(False)


def with_a_tail(generator):
    """Fill the tail, which is zero at first, with what is as small as after some training."""
    for parameter in generator.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=1e-3)
    return generator


def model_of_volumes():
    """Return a model of volumes, and a volume."""
    torch.manual_seed(0)
    generator = Residual(
        in_channels=1, out_channels=1, scale=2, spatial_dims=3, channels=16, blocks=4
    )
    card = replace(
        model_of_images().card,
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
    """Print medians, and how long the first way takes as a share of each."""
    first, *_ = seconds
    for name, times in seconds.items():
        wall, cpu = np.median(times, axis=0)
        shares = seconds[first] / times
        share, cpu_share = np.median(shares, axis=0)
        print(
            f"{name:22} {wall:7.2f} s, {cpu:7.2f} s of CPU; {first} takes {share:.2f} of that "
            f"({shares[:, 0].min():.2f}–{shares[:, 0].max():.2f}), in CPU time {cpu_share:.2f}"
        )


if __name__ == "__main__":
    main()
