import random
import re

import numpy as np
import pytest
import torch
from prediction_examples import (
    TOP,
    Recorder,
    Repeat,
    SeesEverything,
    resolver,
    rrdb,
    scene,
    srresnet,
    stochastic,
    tiled,
    whole,
)

from srlab.generators import receptive_field
from srlab.io import Provenance, create_writer
from srlab.io.array import ArrayReader, ArrayWriter
from srlab.normalisers import ZScore
from srlab.normalisers.statistics import Statistics
from srlab.prediction import (
    Anywhere,
    Predictor,
    TileGrid,
    block,
    block_windows,
    plan_tiles,
    run,
    super_resolve,
)
from srlab.prediction.output.description import output_description

GRID = TileGrid((40, 40), (10, 10), (1, 1), (2, 2))

SCENES = [
    pytest.param((4, 4), (61, 43), (29, 25), id="image"),
    pytest.param((1, 2, 2), (3, 33, 19), (5, 27, 19), id="video"),
]


@pytest.mark.parametrize(("scale", "shape", "tile"), SCENES)
def test_tiled_equals_whole(scale, shape, tile):
    model, image = resolver(srresnet(scale)), scene(2, *shape)
    result, tiles = tiled(model, image, tile, receptive_field(model.generator), batch_size=3)
    expected = whole(model, image)
    assert tiles > 1
    np.testing.assert_allclose(result, expected, atol=1e-5 * np.ptp(expected), rtol=0)


@pytest.mark.parametrize(("scale", "shape", "tile"), SCENES)
def test_tiled_equals_whole_under_the_same_noise(scale, shape, tile):
    model, image = resolver(stochastic(scale)), scene(2, *shape)
    noise = model.draw_noise(1)
    overlap = receptive_field(model.generator)
    result, tiles = tiled(model, image, tile, overlap, noise=noise, batch_size=3)
    expected = whole(model, image, noise)
    assert tiles > 1
    np.testing.assert_allclose(result, expected, atol=1e-5 * np.ptp(expected), rtol=0)


def test_tiled_equals_whole_under_the_statistics_of_the_scene():
    model = resolver(srresnet((2, 2)), normaliser=ZScore(channels=2, scope="scene"))
    image = scene(2, 57, 49) * np.linspace(1, 9, 49, dtype=np.float32)  # tiles differ
    statistics = Statistics.of(image).as_tensor()[None]
    result, tiles = tiled(model, image, (37, 37), (10, 10), scene=statistics)
    expected = whole(model, image, scene=statistics)
    assert tiles == 4 * 3
    np.testing.assert_allclose(result, expected, atol=1e-5 * np.ptp(expected), rtol=0)


@pytest.mark.parametrize(("scale", "shape", "tile"), SCENES)
def test_missing_pixels_stay_missing_and_touch_only_their_surroundings(scale, shape, tile):
    model, image = resolver(srresnet(scale)), scene(2, *shape)
    radius = receptive_field(model.generator)
    missing, near = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for place in [(0,) * len(shape), tuple(size // 2 for size in shape)]:
        missing[place] = True
        reached = zip(place, radius, strict=True)
        near[tuple(slice(max(at - reach, 0), at + reach + 1) for at, reach in reached)] = True
    holed = np.where(missing, np.float32(np.nan), image)
    result, _ = tiled(model, holed, tile, radius, batch_size=4)
    complete, _ = tiled(model, image, tile, radius, batch_size=4)

    hidden, far = (np.kron(mask, np.ones(scale)) > 0 for mask in (missing, ~near))
    assert np.isnan(result[:, hidden]).all()
    assert far.any()
    np.testing.assert_allclose(result[:, far], complete[:, far], atol=1e-5 * TOP, rtol=0)
    change = np.abs(result - complete)[:, ~hidden]
    assert np.isfinite(change).all()
    assert change.max() > 1e-3 * TOP


@pytest.mark.parametrize(("scale", "shape", "tile"), SCENES)
@pytest.mark.parametrize("edges", ["replicate", "reflect", "zeros"])
def test_tiled_equals_whole_around_holes_larger_than_a_tile(scale, shape, tile, edges):
    model, image = resolver(srresnet(scale)), scene(2, *shape)
    image[0, ..., 3:-3, 2:-8] = np.nan
    image[1, ..., 9:, -9:-5] = np.inf  # each channel has holes of its own, up to the border
    image[:, ..., 14, 9] = 200  # and valid pixels in the middle of them
    grid = TileGrid(shape, tile, receptive_field(model.generator), scale, edges=edges)
    writer = ArrayWriter(2, grid.target_shape)
    super_resolve(model, ArrayReader(image), writer, plan=grid)
    expected = model(torch.from_numpy(image)[None], edges=edges)[0].numpy()
    hidden = np.kron(~np.isfinite(image).all(axis=0), np.ones(scale)) > 0
    assert np.array_equal(np.isnan(expected[0]), hidden)
    assert 0 < hidden.mean() < 1
    tolerance = 1e-5 * np.nanmax(np.abs(expected))
    np.testing.assert_allclose(writer.array, expected, atol=tolerance, rtol=0)


@pytest.mark.parametrize(
    ("network", "shape", "tile"),
    [(srresnet, (70, 50), "auto"), (rrdb, (90, 41), 84), (srresnet, (60, 45), 40)],
    ids=["one tile", "one along an axis", "many"],
)
@pytest.mark.parametrize("edges", ["replicate", "reflect"])
def test_a_constant_scene_stays_constant_up_to_its_rim(network, shape, tile, edges):
    model = resolver(network((3, 3)))
    reader = ArrayReader(np.full((2, *shape), 60, np.uint8))
    plan = plan_tiles(model, reader, tile=tile, edges=edges)
    writer = ArrayWriter(2, plan.target_shape)
    super_resolve(model, reader, writer, plan=plan)
    expected = np.tile(writer.array[:, 60:63, 60:63], (1, *shape))
    np.testing.assert_allclose(writer.array, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_pixel_without_data_hides_its_own_place_alone(value):
    model, image = resolver(rrdb((3, 3))), scene(2, 50, 44)
    image[1, 20, 31] = value
    result, tiles = tiled(model, image, (45, 43), (19, 19))
    assert tiles > 1
    hidden = np.zeros_like(result, dtype=bool)
    hidden[:, 60:63, 93:96] = True
    np.testing.assert_array_equal(np.isnan(result), hidden)
    assert np.isfinite(result[~hidden]).all()


def test_a_scene_without_any_data_comes_out_empty():
    image = np.full((2, 30, 30), np.nan, dtype=np.float32)
    result, _ = tiled(resolver(srresnet((2, 2))), image, (25, 25), (10, 10))
    assert np.isnan(result).all()


@pytest.fixture
def seamed():
    """A model whose tiles show, an image of integers in which one is missing, and a grid."""
    model = resolver(SeesEverything((2, 2), in_channels=2))
    reader = ArrayReader((200 * scene(2, 37, 29, top=1)).astype(np.uint8))
    return model, reader, TileGrid((37, 29), (16, 13), (3, 2), (2, 2))


def geotiff(path, model, reader):
    description = output_description(model, reader.description)
    return create_writer(path, description, provenance=Provenance("srlab", "0a" * 32))


def test_the_output_is_the_same_for_blocks_of_any_size_in_any_order(seamed, tmp_path):
    model, reader, grid = seamed
    files, arrays = set(), []
    for batch_size, tiles_per_block in [(1, None), (2, 1), (3, 2), (2, 100)]:
        settings = {"plan": grid, "batch_size": batch_size, "tiles_per_block": tiles_per_block}
        path = tmp_path / f"{batch_size}_{tiles_per_block}.tif"
        super_resolve(model, reader, geotiff(path, model, reader), **settings)
        files.add(path.read_bytes())
        memory = ArrayWriter(2, grid.target_shape)
        super_resolve(model, reader, memory, **settings)
        arrays.append(memory.array)
    for array in arrays[1:]:
        np.testing.assert_array_equal(array, arrays[0])

    writer = geotiff(tmp_path / "shuffled.tif", model, reader)
    writer.prepare()
    windows = list(block_windows(grid, chunks=(7, 16)))
    random.Random(0).shuffle(windows)
    for window in windows:
        writer.write(window, block(Anywhere(Predictor(model)), reader, grid, window))
    writer.finish()
    files.add(writer.path.read_bytes())
    assert len(files) == 1


@pytest.mark.parametrize(("batch_size", "row"), [(1, [1] * 5), (2, [2, 2, 1]), (7, [5])])
def test_each_tile_is_computed_once_and_few_blocks_are_held(batch_size, row):
    recorder, batches = Recorder(), []

    def predict(lr, inside, spare):
        batches.append(len(lr))
        return np.repeat(np.repeat(lr, 2, axis=2), 2, axis=3)

    run(predict, recorder, recorder, GRID, batch_size=batch_size)
    assert batches == 5 * row
    assert recorder.events[0] == "prepare"
    assert recorder.events[-1] == "finish"
    assert len(set(map(str, recorder.windows))) == 25
    held, most = 0, 0
    for event in recorder.events:
        held += {"read": 1, "write": -row[0]}.get(event, 0)
        most = max(most, held)
    # One is read, one computed, one waits, and one is written.
    assert most <= 4 * row[0]


def pass_through(recorder, **settings):
    super_resolve(resolver(Repeat((2, 2)), top=1), recorder, recorder, plan=GRID, **settings)


def test_a_failure_discards_the_output_and_is_passed_on():
    for error in [OSError("disk full"), KeyboardInterrupt()]:
        for fail_at in [("prepare", 1), ("read", 1), ("read", 7), ("write", 6), ("finish", 1)]:
            recorder = Recorder(fail_at=fail_at, error=error)
            with pytest.raises(type(error)) as raised:
                pass_through(recorder)
            assert raised.value is error
            assert recorder.events[-1] == "discard"
            assert recorder.events.count("discard") == 1
            assert recorder.events.count(fail_at[0]) == fail_at[1]
            assert recorder.events.count("finish") == (fail_at[0] == "finish")


def test_a_bug_in_a_prediction_discards_the_output():
    def predict(lr, inside, spare):
        raise ZeroDivisionError

    recorder = Recorder()
    with pytest.raises(ZeroDivisionError):
        run(predict, recorder, recorder, GRID)
    assert recorder.events[0] == "prepare"
    assert recorder.events[-1] == "discard"
    assert "write" not in recorder.events


def test_a_mistake_discards_the_output_before_anything_is_read():
    cases = [
        (
            Repeat((2, 2), in_channels=3),
            {},
            "the input has 1 channels and 2 spatial axes; the model takes 3 and 2.",
        ),
        (Repeat((2, 2)), {"batch_size": 0}, "batch_size is 0; give a number of tiles >= 1."),
        (Repeat((2, 2)), {"noise": torch.ones(1, 5)}, "this model takes no noise."),
    ]
    for network, settings, message in cases:
        recorder = Recorder()
        with pytest.raises(ValueError, match=re.escape(message)):
            super_resolve(resolver(network, top=1), recorder, recorder, plan=GRID, **settings)
        assert recorder.events == ["discard"]


def test_progress_counts_pixels(capsys):
    for progress in (True, False):
        pass_through(Recorder(), progress=progress, tiles_per_block=2)
        assert ("100%" in capsys.readouterr().err) == progress
