"""Tiles of every local network of conf/ equal the whole, in 2D, in 3D and for video."""

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from prediction_examples import resolver, scene, tiled, whole
from test_every_network import choices, small

from srlab.cli.command import prepare
from srlab.cli.configuration import composed
from srlab.generators import receptive_field

SCALES = {"image": (2, 2), "volume": (2, 2, 2), "video": (1, 2, 2)}


def network(name, scale):
    """A small network of a YAML, with random weights throughout: many tails begin as zeros."""
    prepare()
    given = [f"generator={name}", *small("generator", name), "data.bands=[1,2]"]
    given += [f"scale={list(scale)}", f"spatial_dims={len(scale)}"]
    if name == "rrdb":
        given.append("generator.growth_channels=4")
    built = instantiate(composed("train", given).generator, _convert_="all")
    torch.manual_seed(0)
    for parameter in built.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return built.eval()


@pytest.mark.parametrize(
    "kind", ["image", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("volume", "video"))]
)
@pytest.mark.parametrize("name", choices("generator"))
def test_tiles_equal_the_whole(name, kind):
    built = network(name, SCALES[kind])
    radius = receptive_field(built)
    if None in radius:
        pytest.skip(f"{name} sees everything, and its tiles are blended")
    model = resolver(built)
    tile = tuple(2 * reach + 5 for reach in radius)
    # One pixel more than a tile along the last axis, an odd number, and less than a tile.
    sizes = [max(tile[0] - 2, 1), *(side + 4 for side in tile[1:-1]), tile[-1] + 1]
    image = scene(2, *sizes)
    result, tiles = tiled(model, image, tile, radius)
    expected = whole(model, image)
    assert tiles > 1
    np.testing.assert_allclose(result, expected, atol=1e-4 * np.ptp(expected), rtol=0)
