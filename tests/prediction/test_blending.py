"""Tiles that fade into each other where no overlap is exact."""

from dataclasses import replace
from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prediction_examples import TOP, Repeat, SeesEverything, resolver, scene, srresnet, whole
from skimage.data import camera
from torch import nn

from srlab.generators import RCAB
from srlab.io.array import ArrayReader, ArrayWriter
from srlab.nn.blocks import ChannelAttention
from srlab.prediction import (
    Anywhere,
    Predictor,
    TileGrid,
    block,
    block_windows,
    plan_tiles,
    super_resolve,
)
from srlab.prediction.blocks import memory_of


@st.composite
def blended(draw):
    dims = draw(st.integers(1, 3))
    overlap = tuple(draw(st.integers(0, 5)) for _ in range(dims))
    tile = tuple(2 * each + draw(st.integers(1, 9)) for each in overlap)
    shape = tuple(draw(st.integers(1, 30)) for _ in range(dims))
    scale = tuple(draw(st.integers(1, 3)) for _ in range(dims))
    return TileGrid(shape, tile, overlap, scale, join="blend")


@settings(deadline=None, max_examples=60)
@given(grid=blended())
def test_the_shares_of_all_tiles_are_one_everywhere(grid):
    total = np.zeros(grid.target_shape)
    for tile in grid:
        window = grid.contributes(tile)
        share = grid.weights(tile, window)
        assert (share >= 0).all()
        total[window] += share
    np.testing.assert_allclose(total, 1, atol=1e-6)


def predicted(model, image, grid, **settings):
    writer = ArrayWriter(len(image), grid.target_shape)
    super_resolve(model, ArrayReader(image), writer, plan=grid, **settings)
    return writer.array


def test_a_pixel_is_the_mean_of_its_tiles_weighted_by_their_distance_from_the_cut():
    model, image = resolver(SeesEverything((1, 2)), top=1), scene(1, 1, 20, top=1)
    grid = TileGrid((1, 20), (1, 14), (0, 4), (1, 2), join="blend", edges="zeros")
    left, right = list(grid)
    cut, half = 2 * left.core[1].stop, 2 * 2
    expected = np.empty(40)
    for at in range(40):
        share = np.clip((cut + half - at - 0.5) / (2 * half), 0, 1)
        means = [image[0, 0, tile.read[1]].mean() for tile in (left, right)]
        expected[at] = image[0, 0, at // 2] + share * means[0] + (1 - share) * means[1]
    np.testing.assert_allclose(predicted(model, image, grid)[0, 0], expected, rtol=1e-6)


def test_constants_and_ramps_pass_without_ripple():
    rows, columns = np.mgrid[:50, :60].astype(np.float32)
    image = np.stack([np.full_like(rows, 93), rows + 2 * columns])
    grid = TileGrid((50, 60), (22, 25), (6, 6), (2, 2), join="blend")
    result = predicted(resolver(Repeat((2, 2), in_channels=2), top=1), image, grid)
    np.testing.assert_allclose(result, np.kron(image, np.ones((1, 2, 2))), rtol=1e-6)


def test_the_result_is_the_same_for_blocks_of_any_size_and_each_tile_is_computed_once():
    model, image = resolver(SeesEverything((2, 2), in_channels=2)), scene(2, 61, 47)
    tiles = []
    model.generator.register_forward_hook(lambda *_: tiles.append(1))
    image[:, 20:23, 18] = np.nan
    grid = TileGrid((61, 47), (20, 16), (4, 3), (2, 2), join="blend")
    results = []
    for batch_size, tiles_per_block in [(1, None), (2, 1), (3, 2), (1, 100)]:
        tiles.clear()
        settings = {"batch_size": batch_size, "tiles_per_block": tiles_per_block}
        results.append(predicted(model, image, grid, **settings))
        assert len(tiles) == len(grid)
    windows = list(block_windows(grid, chunks=(7, 16)))
    single = np.empty_like(results[0])
    for window in windows:
        pixels = block(Anywhere(Predictor(model)), ArrayReader(image), grid, window)
        single[(slice(None), *window)] = pixels
    for result in [*results[1:], single]:
        np.testing.assert_array_equal(result, results[0])
    hidden = np.kron(np.isnan(image).any(axis=0), np.ones((2, 2))) > 0
    np.testing.assert_array_equal(np.isnan(results[0]).any(axis=0), hidden)


@pytest.mark.parametrize(("shape", "panel"), [((90, 190), 8), ((90, 90, 90), 4)])
def test_only_tiles_on_the_rim_of_a_panel_are_computed_twice(shape, panel):
    dims = len(shape)
    grid = TileGrid(shape, (14,) * dims, (2,) * dims, (1,) * dims, join="blend")
    memory, computed = memory_of(grid), 0
    for window in block_windows(grid, chunks=(1,) * dims):
        for tile in grid.touching(window):
            _, new = memory.wanted(tile)
            computed += new
    first, *across = [len(list(axis)) for axis in grid.axes]
    assert len(grid) < computed <= first * prod(count + count // panel for count in across)


def test_blended_tiles_of_a_local_network_equal_the_whole():
    """Up to half of its automatic overlap all that a tile sees has a part in the result."""
    model, image = resolver(srresnet((2, 2))), scene(2, 90, 50)
    grid = plan_tiles(model, ArrayReader(image), tile=80, join="blend")
    assert len(grid) > 1
    np.testing.assert_allclose(predicted(model, image, grid), whole(model, image), atol=1e-4 * TOP)


def dimming(scale):
    """An RCAB that passes images through, the dimmer the brighter they are on average.

    Its attention makes tiles differ by tens of grey values. After training they hardly do.
    """
    network = RCAB(
        in_channels=1, out_channels=1, scale=scale, spatial_dims=len(scale),
        channels=2, blocks=1, groups=1, reduction=2, upsampler="nearest",
    )  # fmt: skip
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
        if parameter.ndim > 1:
            nn.init.dirac_(parameter)
    attention = next(each for each in network.modules() if isinstance(each, ChannelAttention))
    _, squeeze, _, excite, _ = attention.gate
    nn.init.ones_(squeeze.weight)
    nn.init.constant_(excite.weight, -6)
    nn.init.constant_(excite.bias, 3)
    return network


def photograph():
    return camera()[None, ::2, ::2].astype(np.float32)


def pan():
    """Frames of a view that moves over a photograph, ``(1, 2, 64, 60)``."""
    small = camera()[::8, ::8].astype(np.float32)
    return np.stack([small[:, start : start + 60] for start in (0, 4)])[None]


@pytest.mark.parametrize(
    ("scale", "picture", "tile", "overlap"),
    [((2, 2), photograph, 96, 16), ((1, 2, 2), pan, (2, 28, 28), (0, 6, 6))],
    ids=["photograph", "clip"],
)
def test_tiles_of_a_network_with_channel_attention_are_blended_and_no_seam_shows(
    scale, picture, tile, overlap
):
    model, image = resolver(dimming(scale)), picture()
    blended = plan_tiles(model, ArrayReader(image), tile=tile, overlap=overlap)
    assert blended.join == "blend"
    # The image itself bends more here than there.
    untiled = seam_ratio(whole(model, image)[0], blended)
    assert seam_ratio(predicted(model, image, blended)[0], blended) <= 1.02 * untiled
    cropped = replace(blended, join="crop")
    assert seam_ratio(predicted(model, image, cropped)[0], blended) > 1.1 * untiled


def seam_ratio(image, grid):
    """The mean absolute second difference across cuts, over that elsewhere."""
    on, elsewhere = [], []
    for axis, spans in enumerate(grid.axes):
        cuts = [core.stop * grid.scale[axis] for core, *_ in spans][:-1]
        if cuts:
            across = np.moveaxis(image.astype(float), axis, -1)
            bend = np.abs(np.diff(across, 2)).reshape(-1, image.shape[axis] - 2).mean(axis=0)
            near = [cut + beside - 1 for cut, beside in product(cuts, (-1, 0))]
            on += bend[near].tolist()
            elsewhere += np.delete(bend, near).tolist()
    return np.mean(on) / np.mean(elsewhere)
