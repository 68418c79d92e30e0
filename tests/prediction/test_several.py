"""Samples, ensembles and turned inputs: their mean, and their deviation on the same grid."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from prediction_examples import SeesEverything, resolver, rrdb, scene, srresnet, stochastic

from srlab.data.places.symmetries import Turn
from srlab.generators import receptive_field
from srlab.io import Axis
from srlab.io.array import ArrayReader
from srlab.prediction import Opened, Request, super_resolve_file
from srlab.prediction.network.several import Several, Turned, turns_of
from srlab.prediction.settling import Settling

PLACE = {"crs": "EPSG:32632", "transform": Affine(10, 0, 4e5, 0, -10, 51e5)}

# Several tiles, of which nothing is used that is nearer to their borders than the networks see.
BLENDED = {"bands": [1, 2], "tile": 56, "overlap": 20, "join": "blend"}


@pytest.fixture
def raster(tmp_path):
    path = tmp_path / "in.tif"
    pixels = scene(2, 23, 60).astype(np.uint8)
    with rasterio.open(
        path, "w", driver="GTiff", width=60, height=23, count=2, dtype="uint8", **PLACE
    ) as file:
        file.write(pixels)
    return path


def saved(path, generator):
    path.write_bytes(path.name.encode())  # a model has a file, whose hash is noted
    return Opened(str(path), resolver(generator))


def whole(opened, pixels, seed=None):
    noise = None if seed is None else opened.model.draw_noise(seed)
    return opened.model(torch.from_numpy(pixels[None]), noise)[0].numpy()


def test_mean_and_deviation_are_numpys():
    images = [scene(3, 1, 6, 5) + 100 * number for number in range(4)]
    results = Several([lambda *seen, image=image: image for image in images])(images[0], [], ())
    mean, deviation = np.split(results, 2, axis=1)
    np.testing.assert_allclose(mean, np.mean(images, axis=0), rtol=1e-6)
    np.testing.assert_allclose(deviation, np.std(images, axis=0, ddof=1), rtol=1e-6)


@pytest.mark.parametrize(("dims", "count"), [(2, 8), (3, 48)])
def test_a_turn_is_undone_by_its_inverse(dims, count):
    axes = tuple(Axis(name, 1.0, "mm") for name in "zyx"[-dims:])
    turns = turns_of(replace(resolver(rrdb((2,) * dims)).card, axes=axes))
    assert len(turns) == count
    image = scene(1, *(4,) * dims)
    assert len({turn(image).tobytes() for turn in turns}) == count
    for turn in turns:
        np.testing.assert_array_equal(turn.inverse(dims)(turn(image)), image)


def test_time_is_never_mirrored_and_uneven_axes_stay_in_their_order():
    card = resolver(rrdb((1, 2, 2))).card
    clip = (Axis("t", 0.04, "s"), Axis("y"), Axis("x"))
    for turn in turns_of(replace(card, axes=clip)):
        assert 0 not in turn.mirrored
        assert turn.order[0] == 0
    thick = (Axis("z", 3.0, "mm"), Axis("y", 1.0, "mm"), Axis("x", 1.0, "mm"))
    assert len(turns_of(replace(card, axes=thick))) == 16


def test_a_prediction_of_a_turned_image_is_turned_back():
    turn, seen = Turn((1, 0), (0,)), []

    def predict(lr, spare):
        seen.append((lr, spare))
        return lr.repeat(3, axis=2).repeat(2, axis=3)

    lr = scene(2, 1, 4, 7)
    sr = Turned(predict, turn)(lr, ((1, 2), (3, 4)))
    images, spare = seen[0]
    np.testing.assert_array_equal(images[1], turn(lr[1]))
    assert spare == ((4, 3), (1, 2))
    np.testing.assert_array_equal(sr, lr.repeat(2, axis=2).repeat(3, axis=3))


@pytest.mark.parametrize("way", ["samples", "ensemble", "tta"])
def test_the_deviation_is_a_second_file_on_the_same_ground(tmp_path, raster, way):
    models = [saved(tmp_path / "a.pt", stochastic((2, 2)))]
    with rasterio.open(raster) as file:
        pixels = file.read().astype(np.float32)
    if way == "samples":
        request = Request(samples=3, noise_seed=5, **BLENDED)
        expected = [whole(models[0], pixels, seed) for seed in (5, 6, 7)]
    elif way == "ensemble":
        models.append(saved(tmp_path / "b.pt", srresnet((2, 2))))
        request, expected = Request(**BLENDED), [whole(each, pixels) for each in models]
    else:
        request, expected = Request(tta=True, **BLENDED), []
        for turn in turns_of(models[0].model.card):
            turned = whole(models[0], np.ascontiguousarray(turn(pixels)))
            expected.append(turn.inverse(2)(turned))
    super_resolve_file(models, raster, tmp_path / "out.tif", request=request)
    mean = rasterio.open(tmp_path / "out.tif")
    spread = rasterio.open(tmp_path / "out.deviation.tif")
    assert (mean.dtypes, spread.dtypes) == (("uint8",) * 2, ("float32",) * 2)
    assert (mean.crs, mean.transform) == (spread.crs, spread.transform)
    clipped = np.clip(np.rint(np.mean(expected, axis=0)), 0, 255)
    assert np.abs(mean.read() - clipped).max() <= 1
    deviation = np.std(expected, axis=0, ddof=1)
    np.testing.assert_allclose(spread.read(), deviation, rtol=1e-3, atol=1e-2)
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out.deviation.tif", "out.tif"]


def test_tiles_that_fade_for_one_of_several_models_overlap_far_enough_for_all():
    local, reader = resolver(srresnet((2, 2))), ArrayReader(scene(2, 90, 50))
    models = [local, resolver(SeesEverything((2, 2), in_channels=2))]
    settling = Settling(
        models=models, reader=reader, request=Request(), device=torch.device("cpu"), scene=None
    )
    grid = settling.tiles({"tile": 80, "overlap": "auto", "join": "auto"})
    assert grid.join == "blend"
    assert grid.surroundings[0] == receptive_field(local.generator)[0]


def test_models_of_another_kind_are_not_averaged(tmp_path, raster):
    models = [saved(tmp_path / f"{scale}.pt", rrdb((scale, scale))) for scale in (2, 3)]
    with pytest.raises(ValueError, match=r"cannot be averaged: their scale is \(2, 2\) and"):
        super_resolve_file(models, raster, tmp_path / "out.tif")
