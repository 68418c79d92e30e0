import numpy as np
import pytest
import torch
from prediction_examples import resolver, srresnet

from srlab.axes import relative
from srlab.degradations import Area, Bicubic, GaussianMtf, KSpace, ThickSlices
from srlab.generators import margin
from srlab.io.array import ArrayReader
from srlab.models.agreement import Agreement
from srlab.prediction import TileGrid
from srlab.prediction.projection import Agreeing, projection_reach
from srlab.prediction.reading import see

TOP = 255.0
ALLOWED = 2e-5 * TOP


def agreeing_model(degradation, channels=1):
    made = resolver(srresnet(degradation.scale, channels), top=TOP)
    names = made.card.input_names
    made.agreement = Agreement(degradation, input_names=names, output_names=names)
    return made


def scene(*shape, channels=1):
    return (TOP * np.random.default_rng(0).random((channels, *shape))).astype(np.float32)


def tiled(model, image, grid, agreeing):
    """Every tile by hand: seen, run, made to agree, and cut to its core."""
    result = None
    for tile in grid:
        lr, _ = see(ArrayReader(image), tile, grid)
        sr = model.tile(torch.from_numpy(lr)[None])[0].numpy()
        limits = [slice(0, size) for size in grid.shape]
        pairs = zip(tile.read, limits, strict=True)
        inside = tuple(slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in pairs)
        sr = agreeing(sr, lr, relative(inside, tile.read))
        if result is None:
            result = np.empty((len(sr), *grid.target_shape), np.float32)
        core = tile.target(grid.scale)
        result[(slice(None), *core)] = sr[(slice(None), *tile.source(core, grid.scale))]
    return result


@pytest.mark.parametrize(
    ("degradation", "shape", "tile"),
    [
        (Bicubic(scale=(2, 3)), (60, 71), 48),
        (GaussianMtf(scale=2, mtf=0.3), (64, 70), 52),
        (ThickSlices(scale=(3, 1, 1), profile="gaussian", gap=0.0, spatial_dims=3), (46, 5, 4), 40),
    ],
    ids=["bicubic", "mtf", "thick"],
)
def test_tiles_agree_as_the_whole_scene_does(degradation, shape, tile):
    model, image = agreeing_model(degradation), scene(*shape)
    reach = projection_reach(model.agreement)
    overlap = tuple(map(sum, zip(reach, margin(model.generator), strict=True)))
    grid = TileGrid(shape, (tile,) * len(shape), overlap, degradation.scale)
    assert len(grid) > 1
    agreeing = Agreeing(model.agreement, order=tuple(range(len(shape))), parts=True)
    sr, measured, inferred = tiled(model, image, grid, agreeing)
    lr = torch.from_numpy(image)[None]
    again = degradation(torch.from_numpy(sr)[None, None])
    torch.testing.assert_close(again, lr, rtol=0, atol=ALLOWED)
    np.testing.assert_allclose(sr, model(lr)[0, 0], rtol=0, atol=1e-3)
    np.testing.assert_allclose(measured + inferred, sr, rtol=0, atol=1e-4)
    torch.testing.assert_close(
        degradation(torch.from_numpy(measured)[None, None]), lr, rtol=0, atol=ALLOWED
    )


def test_reach_is_none_where_a_degradation_sees_a_whole_axis():
    reaches = {
        (0, 0): Area(scale=(3, 2)),
        (None, 0): KSpace(scale=(2, 1)),
        (10, 0): GaussianMtf(scale=(4, 1), mtf=0.3),
    }
    for expected, degradation in reaches.items():
        assert projection_reach(agreeing_model(degradation).agreement) == expected


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 1, 3)])
def test_axes_that_the_model_does_not_see_hold_images_of_their_own(order):
    degradation = Bicubic(scale=(2, 1))
    agreement, lr = agreeing_model(degradation).agreement, scene(2, 5, 6, 4)
    shape = [2, 5, 6, 4]
    shape[order[2]] *= 2
    inside = tuple(slice(0, size) for size in lr.shape[1:])
    sr = Agreeing(agreement, order=order)(scene(*shape) ** 1.01, lr, inside)
    seen = [torch.from_numpy(each[0].transpose(order)) for each in (sr, lr)]
    torch.testing.assert_close(degradation(seen[0]), seen[1], rtol=0, atol=ALLOWED)
