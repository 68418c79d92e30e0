"""Prediction end to end against the network alone on the same tiles.

A scene of 1024 x 1024 pixels and 4 bands of uint16 becomes four times finer, as a GeoTIFF. The
network is `residual` with 32 channels and 4 blocks. Both take turns in one run and use the same
memory format. End to end is reading, network, writing and finishing the file. The network alone is
given the same tiles from memory.

    python benchmarks/prediction.py [--rounds 5] [--size 1024]
"""

import argparse
import os
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import rasterio
import torch
import torch.nn.functional as F

from srlab.cli.allocation import keep_freed_memory
from srlab.generators import Residual
from srlab.io import Axis, Provenance, create_writer, open_reader
from srlab.models.card import ModelCard
from srlab.models.super_resolver import SuperResolver
from srlab.normalisers import Reflectance
from srlab.prediction import plan_tiles, super_resolve
from srlab.prediction.output import output_description

BANDS = ("B02", "B03", "B04", "B08")
BLOCKS = (1, 3)
"""Tiles in a block, of one round and of the next."""


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
        # The first round lays out the weights and warms up.
        files = {end_to_end(model, scene, output, plan, tiles) for tiles in BLOCKS}
        equal = {True: "equal", False: "DIFFERENT"}[len(files) == 1]
        print(f"files from blocks of {BLOCKS[0]} and {BLOCKS[1]} tiles have {equal} bytes")
        lr = read_tiles(model, scene, plan)
        times = {"end to end": [], "network alone": []}
        for number in range(options.rounds):
            tiles = BLOCKS[number % len(BLOCKS)]
            times["end to end"].append(timed(end_to_end, model, scene, output, plan, tiles))
            times["network alone"].append(timed(network_alone, model, lr))
    report(times)


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


def end_to_end(model, scene, output, plan, tiles_per_block):
    """Super-resolve the scene, and return the bytes of the file."""
    reader = open_reader(scene)
    made = Provenance("benchmark", "0" * 64)
    description = output_description(model, reader.description)
    writer = create_writer(output, description, provenance=made, overwrite=True)
    super_resolve(model, reader, writer, plan=plan, tiles_per_block=tiles_per_block)
    reader.close()
    return output.read_bytes()


def read_tiles(model, scene, plan):
    """Return all tiles in the network's range, each a batch of one."""
    reader = open_reader(scene)
    return [model.normaliser.lr(torch.from_numpy(reader.read(tile.read))[None]) for tile in plan]


@torch.no_grad()
def network_alone(model, lr):
    for tile in lr:
        model.generator(tile)


def timed(work, *arguments):
    """Return wall and CPU seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    work(*arguments)
    return time.perf_counter() - wall, time.process_time() - processor


def report(times):
    medians = {}
    for name, rounds in times.items():
        medians[name] = [statistics.median(column) for column in zip(*rounds, strict=True)]
        wall, processor = medians[name]
        print(f"{name:14} {wall:7.2f} s, {processor:7.2f} s of CPU")
    for number, kind in enumerate(("wall seconds", "CPU seconds")):
        pairs = zip(times["network alone"], times["end to end"], strict=True)
        ratios = [alone[number] / whole[number] for alone, whole in pairs]
        ratio = medians["network alone"][number] / medians["end to end"][number]
        print(
            f"network alone over end to end, {kind}: {ratio:.3f} of medians; median of "
            f"{len(ratios)} ratios of neighbours {statistics.median(ratios):.3f}"
        )


if __name__ == "__main__":
    main()
