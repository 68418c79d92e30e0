import logging
import re
from dataclasses import replace
from math import prod

import numpy as np
import pytest
import torch
from prediction_examples import (
    Echo,
    Repeat,
    SeesEverything,
    resolver,
    rrdb,
    scene,
    srresnet,
)

from srlab.axes import window_shape
from srlab.generators import Residual, receptive_field
from srlab.io.array import ArrayReader
from srlab.normalisers import ZScore
from srlab.normalisers.statistics import Statistics
from srlab.prediction import TileGrid, plan_tiles


@torch.no_grad()
def seams(generator, grid):
    """The largest change that tiles make, in double precision, as a share of the values' range."""
    generator = generator.eval().double()
    image = torch.from_numpy(scene(generator.in_channels, *grid.shape, top=1.0)).double()[None]
    expected = generator(image)
    assert len(grid) > 1
    worst = 0.0
    for tile in grid:
        target = tile.target(grid.scale)
        sr = generator(image[(..., *tile.read)])[(..., *tile.source(target, grid.scale))]
        worst = max(worst, float((sr - expected[(..., *target)]).abs().max()))
    return worst / float(expected.max() - expected.min())


@pytest.mark.parametrize(
    ("network", "scale", "shape", "tile"),
    [
        pytest.param(srresnet, (4, 4), (47, 43), (29, 25), id="srresnet"),
        pytest.param(srresnet, (2, 2, 2), (31, 5, 3), (23, 5, 5), id="srresnet-volume"),
        pytest.param(rrdb, (1, 2), (59, 55), (45, 49), id="rrdb-anisotropic"),
        pytest.param(rrdb, (3, 1, 1), (45, 3, 47), (43, 5, 45), id="rrdb-slices"),
    ],
)
def test_tiles_with_the_receptive_field_around_them_are_exact(network, scale, shape, tile):
    generator = network(scale)
    overlap = receptive_field(generator)
    grid = TileGrid(shape, tile, overlap, scale, edges="zeros")
    assert seams(generator, grid) < 1e-12
    assert seams(generator, replace(grid, overlap=(1,) * len(shape))) > 1e-3
    if network is srresnet:  # every pixel of the receptive field matters
        short = tuple(reach - 1 for reach in overlap)
        assert seams(generator, replace(grid, overlap=short)) > 1e-9


@pytest.mark.parametrize(
    ("scale", "unshuffle", "shape", "tile"),
    [
        pytest.param((2, 2), (2, 2), (117, 83), (95, 83), id="x2"),
        pytest.param((1, 2, 1), (1, 2, 3), (2, 87, 3), (2, 79, 3), id="volume"),
    ],
)
def test_planned_tiles_are_exact_since_they_start_on_cells(scale, unshuffle, shape, tile):
    generator = rrdb(scale, channels=1, unshuffle=unshuffle)
    reader = ArrayReader(np.zeros((1, *shape), np.float32))
    overlap = receptive_field(generator)
    settings = {"tile": tile, "overlap": overlap, "edges": "zeros"}
    grid = plan_tiles(resolver(generator), reader, **settings)
    assert grid.multiple_of == unshuffle
    assert seams(generator, grid) < 1e-12
    assert seams(generator, replace(grid, multiple_of=())) > 1e-6


@pytest.mark.parametrize(
    ("network", "reach"),
    # The radii that Ledig et al. and Wang et al. give these layers, rounded up: 2·1 + 7.5 and
    # 15·1 + 3.25.
    [(srresnet, 10), (rrdb, 19)],
)
def test_automatic_overlap_is_the_receptive_field_up_to_a_quarter_of_the_tile(
    network, reach, caplog
):
    caplog.set_level(logging.INFO, "srlab")
    model, tile = resolver(network((4, 4))), 4 * reach
    reader = ArrayReader(scene(2, tile + 1, 50))
    grid = plan_tiles(model, reader, tile=tile)
    assert grid == TileGrid((tile + 1, 50), (tile, tile), (reach, reach), (4, 4))
    assert f"overlap ({reach}, {reach}) LR pixels: the receptive field's radius" in caplog.text

    caplog.clear()
    assert plan_tiles(model, reader, tile=tile - 1).overlap < (reach, reach)
    assert f"the receptive field ({reach}, {reach}) is too large for these tiles" in caplog.text


def test_automatic_tiles_cover_little_more_than_the_scene():
    generator = Residual(in_channels=1, out_channels=1, scale=4, channels=2, blocks=4)
    reader = ArrayReader(np.broadcast_to(np.float32(0), (1, 1024, 1024)))
    grid = plan_tiles(resolver(generator), reader)
    assert grid.overlap == (12, 12)
    assert sum(prod(window_shape(tile.read)) for tile in grid) <= 1.2 * 1024**2


TOO_LITTLE = "that is beyond the tolerance: use larger tiles (tile=) or more overlap (overlap=)"


@pytest.mark.parametrize(
    ("strengths", "overlap", "fits"),
    [
        ({30: 5e-4}, 4, True),
        ({3: 0.1, 30: 5e-4}, 4, True),
        ({6: 0.1, 30: 5e-4}, 8, True),
        ({15: 0.1, 30: 5e-4}, 8, False),
    ],
    ids=["far and weak", "near", "middle", "far and strong"],
)
def test_automatic_overlap_is_the_smallest_that_is_within_tolerance(
    strengths, overlap, fits, caplog
):
    caplog.set_level(logging.INFO, "srlab")
    model = resolver(Echo(strengths, upwards=strengths), top=1)
    grid = plan_tiles(model, ArrayReader(scene(1, 90, 80, top=1.0)), tile=64)
    assert grid.overlap == (overlap, overlap)
    assert "where the tolerance is 0.001" in caplog.text
    assert (TOO_LITTLE in caplog.text) != fits


class EchoOfAll(Echo):
    """Every pixel echoes, and a little of the mean of all is added to it."""

    def forward(self, lr):
        return super().forward(lr) + 1e-4 * lr.mean()


def test_automatic_overlap_is_measured_up_to_where_blended_tiles_are_used(caplog):
    caplog.set_level(logging.INFO, "srlab")
    model = resolver(EchoOfAll({6: 0.1}, upwards={6: 0.1}), top=1)
    reader = ArrayReader(scene(1, 90, 80, top=1.0))
    for join, overlap in {"crop": (8, 8), "blend": (16, 16), "auto": (16, 16)}.items():
        assert plan_tiles(model, reader, tile=64, join=join).overlap == overlap
    assert "overlap 16 LR pixels: the network sees all of an image, so no" in caplog.text
    assert "tiles fade into each other" in caplog.text


def test_automatic_overlap_of_small_tiles_is_not_measured_against_the_whole_sample(caplog):
    model, reader = (
        resolver(Echo({5: 0.5}, upwards={5: 0.5}), top=1),
        ArrayReader(scene(1, 90, 80, top=1.0)),
    )
    for tile in (3, 10, 15, 16, 19):
        caplog.clear()
        grid = plan_tiles(model, reader, tile=tile)
        assert (grid.overlap >= (5, 5)) == (TOO_LITTLE not in caplog.text), tile


def test_automatic_overlap_minds_only_the_axes_that_tiles_cut(caplog):
    caplog.set_level(logging.INFO, "srlab")
    model = resolver(rrdb((1, 2, 2), channels=1))
    # flat scenes: one frame or three are no reason to see only a pixel beyond a tile
    for frames in (1, 3):
        grid = plan_tiles(model, ArrayReader(scene(1, frames, 70, 30)), tile=32)
        assert grid.overlap[1] >= 4
    assert "is too large for these tiles" in caplog.text


def test_automatic_overlap_is_not_measured_along_axes_that_no_tile_cuts():
    model = resolver(Echo({30: 5e-4}, upwards={9: 0.5}), top=1)
    # an axis that lies in a tile whole is continued by the receptive field's radius
    assert plan_tiles(model, ArrayReader(scene(1, 20, 90, top=1.0)), tile=64).overlap == (9, 4)
    assert plan_tiles(model, ArrayReader(scene(1, 90, 90, top=1.0)), tile=64).overlap == (8, 8)


def test_automatic_overlap_is_measured_under_the_statistics_of_the_scene():
    model = resolver(SeesEverything((2, 2)), normaliser=ZScore(channels=1, scope="scene"))
    image = scene(1, 90, 90)
    statistics = Statistics.of(image).as_tensor()[None]
    assert plan_tiles(model, ArrayReader(image), tile=64, scene=statistics).overlap >= (4, 4)
    with pytest.raises(ValueError, match="the statistics of each whole image"):
        plan_tiles(model, ArrayReader(image), tile=64)


def test_a_scene_in_a_single_tile_is_continued_by_the_receptive_field():
    reader = ArrayReader(scene(2, 64, 50))
    grid = plan_tiles(resolver(srresnet((2, 2))), reader, tile=64)
    assert grid.overlap == receptive_field(srresnet((2, 2)))
    assert len(grid) == 1
    assert plan_tiles(resolver(SeesEverything((2, 2))), scan(64, 64), tile=64).overlap == (16, 16)


def test_nothing_is_measured_where_a_single_tile_is_not_continued():
    class Unmeasured(Repeat):
        def forward(self, lr):
            raise AssertionError("measured, although no tile has a seam")

    grid = plan_tiles(resolver(Unmeasured((2, 2))), scan(64, 64), tile=64, edges="zeros")
    assert (grid.overlap, grid.edges) == ((0, 0), "zeros")
    assert len(grid) == 1


def scan(*shape):
    return ArrayReader(scene(1, *shape))


@pytest.mark.parametrize(
    ("scale", "shape", "side"), [((2, 2), (300, 280), 288), ((2, 1, 1), (140, 9, 9), 128)]
)
def test_automatic_tile(scale, shape, side):
    grid = plan_tiles(resolver(Repeat(scale)), ArrayReader(scene(1, *shape)))
    assert grid == TileGrid(shape, (side,) * len(scale), (0,) * len(scale), scale)
    assert len(grid) == 2


@pytest.mark.parametrize(
    ("settings", "tile", "overlap"),
    [
        ({"tile": 16, "overlap": 3}, (16, 16), (3, 3)),
        ({"tile": [16, 20], "overlap": [0, 4]}, (16, 20), (0, 4)),
        ({"tile": (60, 20), "overlap": 0}, (60, 20), (0, 0)),
    ],
    ids=str,
)
def test_settings_are_taken_as_given(settings, tile, overlap):
    grid = plan_tiles(resolver(srresnet((2, 2))), ArrayReader(scene(2, 60, 50)), **settings)
    assert grid == TileGrid((60, 50), tile, overlap, (2, 2))


@pytest.mark.parametrize("side", [16, 100])  # with and without a seam
def test_wrong_settings_are_refused(side):
    cases = [
        (
            {"tile": "big"},
            "tile is 'big'; give 'auto', one number of LR pixels >= 1, or one for each of 3 axes.",
        ),
        ({"tile": 0}, "tile is 0; give 'auto'"),
        ({"tile": 1.5}, "tile is 1.5; give 'auto'"),
        ({"tile": [16, 16]}, "tile is [16, 16]; give 'auto'"),
        (
            {"overlap": -1},
            "overlap is -1; give 'auto', one number of LR pixels >= 0, or one for each of 3 axes.",
        ),
        ({"overlap": "none"}, "overlap is 'none'; give 'auto'"),
        ({"overlap": [2, 2, None]}, "overlap is [2, 2, None]; give 'auto'"),
        ({"overlap": True}, "overlap is True; give 'auto'"),
    ]
    for settings, message in cases:
        model, reader = resolver(Repeat((1, 2, 2))), ArrayReader(scene(1, 20, 20, 20))
        with pytest.raises(ValueError, match=re.escape(message)):
            plan_tiles(model, reader, **{"tile": side, "overlap": 2, **settings})


def test_overlap_that_leaves_no_core_is_refused():
    message = "a tile of (16, 16) pixels with an overlap of (8, 8) on each side leaves no core"
    with pytest.raises(ValueError, match=re.escape(message)):
        plan_tiles(resolver(Repeat((2, 2))), ArrayReader(scene(1, 20, 20)), tile=16, overlap=8)


@pytest.mark.parametrize("tile", [1, 2])
def test_tiles_too_small_for_any_overlap_are_refused(tile):
    with pytest.raises(ValueError, match="use larger tiles"):
        plan_tiles(resolver(srresnet((2, 2))), ArrayReader(scene(2, 20, 20)), tile=tile)


def test_scene_with_too_few_axes_is_refused():
    message = "the input has 1 channels and 2 spatial axes; the model takes 1 and 3."
    with pytest.raises(ValueError, match=re.escape(message)):
        plan_tiles(resolver(Repeat((2, 2, 2))), ArrayReader(scene(1, 20, 20)))
