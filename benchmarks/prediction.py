"""Prediction end to end against the network alone on the same tiles.

A scene of 1024 x 1024 pixels and 4 bands of uint16 becomes four times finer, as a GeoTIFF. The
network is `residual` with 32 channels and 4 blocks. The two take turns tile by tile, in the same
memory format: the network alone is given each tile just before prediction is. End to end is all the
rest of the time: reading, network, writing and finishing the file.

    python benchmarks/prediction.py [--rounds 5] [--size 1024]
"""

import argparse
import os
import time
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import rasterio
import torch
import torch.nn.functional as F

from srlab.allocation import keep_freed_memory
from srlab.generators import Residual
from srlab.io import Axis, Provenance, create_writer, open_reader
from srlab.models.card import ModelCard
from srlab.models.super_resolver import SuperResolver
from srlab.normalisers import Reflectance
from srlab.prediction import Predictor, plan_tiles, run
from srlab.prediction.output import output_description

BANDS = ("B02", "B03", "B04", "B08")
BLOCKS = (1, 3)
"""Tiles in a block, of one round and of the next."""

COMPRESSIONS = ("deflate", "zstd", "none")


class Rival:
    """Predicts a tile after the network alone has had its turn with it."""

    def __init__(self, model):
        self.model, self.predict = model, Predictor(model)
        self.alone, self.aside = np.zeros(2), np.zeros(2)

    @torch.no_grad()
    def __call__(self, images):
        begin = now()
        lr = self.model.normaliser.lr(torch.from_numpy(images))
        start = now()
        self.model.generator(lr)
        end = now()
        self.alone += end - start
        self.aside += end - begin
        return self.predict(images)


def now():
    return np.array([time.perf_counter(), time.process_time()])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=1024)
    options = parser.parse_args()
    print(f"allocation: {keep_freed_memory()}; {torch.get_num_threads()} threads")

    model = super_resolver()
    with TemporaryDirectory() as folder:
        scene, output = Path(folder, "scene.tif"), Path(folder, "scene_x4.tif")
        write_scene(scene, options.size)
        plan = plan_tiles(model, open_reader(scene))
        print(
            f"{len(plan)} tiles with an overlap of {plan.overlap} cover {plan.coverage:.3f} scenes"
        )
        times, files = defaultdict(list), defaultdict(set)
        for number in range(options.rounds + 1):
            for compression in COMPRESSIONS:
                per_block = BLOCKS[number % len(BLOCKS)]
                seconds = end_to_end(model, scene, output, plan, per_block, compression)
                times[compression].append(seconds)
                files[compression].add(output.read_bytes())
    for compression in COMPRESSIONS:
        (first, *others) = files[compression]
        equal = "DIFFERENT" if others else "equal"
        print(f"compression={compression}: {len(first) / 1e6:.0f} MB")
        print(f"  files from blocks of {BLOCKS[0]} and {BLOCKS[1]} tiles have {equal} bytes")
        report(np.array(times[compression][1:]))  # the first round warms up


def super_resolver():
    torch.manual_seed(0)
    generator = Residual(
        in_channels=4, out_channels=4, scale=4, channels=32, blocks=4, skip="cubic"
    )
    for parameter in generator.parameters():
        if not parameter.any():  # the tail, which is zero at first, as after some training
            torch.nn.init.normal_(parameter, std=1e-3)
    card = ModelCard(
        generator={},
        normaliser={},
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


def end_to_end(model, scene, output, plan, tiles_per_block, compression):
    """Return wall and CPU seconds of prediction, and of the network alone."""
    rival = Rival(model)
    begin = now()
    reader = open_reader(scene)
    made = Provenance("benchmark", "0" * 64)
    description = output_description(model, reader.description)
    writer = create_writer(
        output, description, provenance=made, overwrite=True, options={"compression": compression}
    )
    run(rival, reader, writer, plan, tiles_per_block=tiles_per_block)
    reader.close()
    return now() - begin - rival.aside, rival.alone


def report(times):
    """Print medians of ``(rounds, prediction or network, wall or CPU)`` seconds."""
    medians = np.median(times, axis=0)
    for name, (wall, processor) in zip(("end to end", "network alone"), medians, strict=True):
        print(f"  {name:14} {wall:7.2f} s, {processor:7.2f} s of CPU")
    ratios = times[:, 1] / times[:, 0]
    for kind, each in zip(("wall", "CPU"), ratios.T, strict=True):
        print(
            f"  network alone over end to end, {kind} seconds: median {np.median(each):.3f}, from "
            f"{each.min():.3f} to {each.max():.3f}"
        )


if __name__ == "__main__":
    main()
