import itertools
import logging
import re

import numpy as np
import pytest
import torch
from torch import nn

from srlab.generators import RRDB, SRResNet, Stochastic
from srlab.io.array.memory import ArrayReader, ArrayWriter
from srlab.models.bundle import ModelCard
from srlab.models.super_resolver import SuperResolver
from srlab.nn.receptive_field import receptive_field
from srlab.normalisers import Identity, MinMax
from srlab.prediction.inference import (
    _together,
    chosen_device,
    plan_tiles,
    super_resolve,
    tiling_error,
)
from srlab.prediction.tiles import TilePlan

TOP = 255.0


def resolver(generator, *, top=TOP):
    channels = generator.in_channels
    card = ModelCard(
        generator={},
        normaliser={},
        scale=generator.scale,
        bands=tuple(range(1, channels + 1)),
        channels=tuple("RGB"[:channels]),
        unit="8-bit value",
        training_range=((0.0, top),) * channels,
        pixel_size=None,
        versions={},
    )
    normaliser = Identity() if top == 1 else MinMax(minimum=0.0, maximum=top)
    return SuperResolver(generator=generator, normaliser=normaliser, card=card).eval()


def trained_looking(generator):
    """Random weights and batch-norm statistics: a fresh batch norm is all but the identity."""
    random = torch.Generator().manual_seed(0)
    for module in generator.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            module.running_mean.normal_(generator=random).mul_(0.1)
            module.running_var.uniform_(0.5, 2, generator=random)
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=random)
            nn.init.normal_(module.bias, 0, 0.1, generator=random)
    return generator


def srresnet(scale, channels=2):
    torch.manual_seed(1)
    return trained_looking(
        SRResNet(
            in_channels=channels,
            out_channels=channels,
            scale=scale,
            spatial_dims=len(scale),
            channels=4,
            blocks=1,
        )
    )


def rrdb(scale, channels=2):
    torch.manual_seed(2)
    dims = len(scale)
    return RRDB(
        in_channels=channels, out_channels=channels, scale=scale, spatial_dims=dims, channels=4, growth_channels=4,
        blocks=1, residual_scale=1.0,
    )  # fmt: skip


def stochastic(scale, channels=2):
    """With random weights throughout, so that the noise shows."""
    torch.manual_seed(3)
    network = Stochastic(
        in_channels=channels, out_channels=channels, scale=scale, spatial_dims=len(scale), channels=4, blocks=2,
        noise_channels=5,
    )  # fmt: skip
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    return network


class Repeat(nn.Module):
    """Nearest-neighbour enlargement: what stands in the output is known without arithmetic."""

    def __init__(self, scale, in_channels=1):
        super().__init__()
        self.scale, self.in_channels = scale, in_channels
        self.seen = []

    def forward(self, lr):
        self.seen.append(tuple(lr.shape))
        return repeat(lr, self.scale)


class Echo(Repeat):
    """Every pixel echoes, `strengths[d]` as strong, in the pixels d further up and to the left."""

    def __init__(self, strengths, upwards=None):
        super().__init__((2, 2))
        self.strengths = {2: strengths if upwards is None else upwards, 3: strengths}

    def forward(self, lr):
        sr = lr.clone()
        for axis, strengths in self.strengths.items():
            for distance, strength in strengths.items():
                length = lr.shape[axis] - distance
                if length > 0:
                    sr.narrow(axis, 0, length).add_(strength * lr.narrow(axis, distance, length))
        return repeat(sr, self.scale)


class SeesEverything(Repeat):
    def forward(self, lr):
        return repeat(lr + lr.mean(dim=(2, 3), keepdim=True), self.scale)


def repeat(image, scale):
    for axis, factor in enumerate(scale, start=2):
        image = image.repeat_interleave(factor, dim=axis)
    return image


def scene(channels, *shape, top=TOP):
    return (top * np.random.default_rng(0).random((channels, *shape))).astype(np.float32)


def tiled(model, image, plan, batch_size=1, noise=None):
    writer = ArrayWriter(len(image), np.multiply(image.shape[1:], model.card.scale))
    super_resolve(model, ArrayReader(image), writer, plan=plan, batch_size=batch_size, noise=noise)
    return writer.array


def whole(model, image, noise=None):
    return model(torch.from_numpy(image)[None], noise)[0].numpy()


NETWORKS = [
    pytest.param(srresnet, (4, 4), (61, 43), (29, 25), id="srresnet"),
    pytest.param(srresnet, (3, 1), (35, 57), (25, 31), id="srresnet-anisotropic"),
    pytest.param(srresnet, (2, 2, 2), (31, 5, 3), (23, 5, 5), id="srresnet-volume"),
    pytest.param(srresnet, (1, 2, 2), (3, 33, 5), (5, 23, 9), id="srresnet-video"),
    pytest.param(rrdb, (4, 4), (77, 45), (47, 41), id="rrdb"),
    pytest.param(rrdb, (1, 2), (59, 55), (45, 49), id="rrdb-anisotropic"),
    pytest.param(rrdb, (3, 1, 1), (45, 3, 47), (43, 5, 45), id="rrdb-slices"),
]


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize(("network", "scale", "shape", "tile"), NETWORKS)
def test_tiled_equals_whole(network, scale, shape, tile, batch_size):
    model, image = resolver(network(scale)), scene(2, *shape)
    plan = TilePlan(shape, tile, receptive_field(model.generator))
    assert len(plan) > 3
    expected = whole(model, image)
    change = np.abs(tiled(model, image, plan, batch_size) - expected).max()
    print(f"tiling changes {change / np.ptp(expected):.1e} of the values' range")  # noqa: T201 (-rP shows it)
    assert change < 1e-5 * np.ptp(expected)


@pytest.mark.parametrize(("network", "scale", "shape", "tile"), NETWORKS)
def test_too_little_overlap_shows(network, scale, shape, tile):
    model, image = resolver(network(scale)), scene(2, *shape)
    plan = TilePlan(shape, tile, (1,) * len(shape))
    expected = whole(model, image)
    assert np.abs(tiled(model, image, plan) - expected).max() > 1e-3 * np.ptp(expected)


@pytest.mark.parametrize(("network", "scale", "shape", "tile"), NETWORKS)
def test_tiled_equals_whole_in_double_precision(network, scale, shape, tile):
    generator = network(scale).eval().double()
    image = torch.from_numpy(scene(2, *shape, top=1.0)).double()[None]
    with torch.no_grad():
        expected = generator(image)
        for part in TilePlan(shape, tile, receptive_field(generator)):
            sr = generator(image[(..., *part.read)])[(..., *part.crop(scale))]
            assert (sr - expected[(..., *part.target(scale))]).abs().max() < 1e-12 * (
                expected.max() - expected.min()
            )


CELLS = [
    pytest.param((2, 2), (2, 2), (117, 83), (95, 83), id="x2"),
    pytest.param((1, 1), (4, 4), (203, 161), (170, 165), id="x1"),
    pytest.param((2, 1), (1, 3), (61, 161), (44, 130), id="anisotropic"),
    pytest.param((1, 2, 1), (1, 2, 3), (2, 87, 3), (2, 79, 3), id="volume"),
]


def on_cells(scale, unshuffle):
    torch.manual_seed(3)
    return RRDB(
        in_channels=1, out_channels=1, scale=scale, spatial_dims=len(scale), channels=4, growth_channels=4, blocks=1,
        residual_scale=1.0, unshuffle=unshuffle,
    )  # fmt: skip


@pytest.mark.parametrize("alignment", ["aligned", "anywhere"])
@pytest.mark.parametrize(("scale", "unshuffle", "shape", "tile"), CELLS)
@torch.no_grad()
def test_tiled_equals_whole_over_cells_if_reads_are_aligned(
    scale, unshuffle, shape, tile, alignment
):
    generator = on_cells(scale, unshuffle).eval().double()
    image = torch.from_numpy(scene(1, *shape, top=1.0)).double()[None]
    expected = generator(image)
    cells = unshuffle if alignment == "aligned" else (1,) * len(shape)
    parts = TilePlan(shape, tile, receptive_field(generator), cells)
    assert len(parts) > 1
    changes = [
        (
            generator(image[(..., *part.read)])[(..., *part.crop(scale))]
            - expected[(..., *part.target(scale))]
        ).abs()
        for part in parts
    ]
    change = max(float(each.max()) for each in changes) / float(expected.max() - expected.min())
    assert change < 1e-12 if alignment == "aligned" else change > 1e-6


@pytest.mark.parametrize(("scale", "unshuffle", "shape", "tile"), CELLS)
def test_planned_tiles_start_on_cells(scale, unshuffle, shape, tile):
    model, image = resolver(on_cells(scale, unshuffle), top=1), scene(1, *shape, top=1.0)
    plan = plan_tiles(
        model, ArrayReader(image), tile=tile, overlap=receptive_field(model.generator)
    )
    assert plan.multiple_of == unshuffle
    expected = whole(model, image)
    assert np.abs(tiled(model, image, plan, batch_size=2) - expected).max() < 1e-5 * np.ptp(
        expected
    )


@pytest.mark.parametrize("missing", [1, 2])
def test_overlap_one_short_of_the_receptive_field_is_not_exact(missing):
    generator = srresnet((4, 4)).eval().double()
    radius = receptive_field(generator)
    image = torch.from_numpy(scene(2, 61, 43, top=1.0)).double()[None]
    with torch.no_grad():
        expected = generator(image)
        parts = TilePlan((61, 43), (29, 25), tuple(reach - missing for reach in radius))
        changes = [
            (
                generator(image[(..., *part.read)])[(..., *part.crop((4, 4)))]
                - expected[(..., *part.target((4, 4)))]
            ).abs().max()
            for part in parts
        ]  # fmt: skip
    assert max(changes) > 1e-9 * (expected.max() - expected.min())


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize(
    ("scale", "shape", "tile"),
    [
        pytest.param((4, 4), (61, 43), (29, 25), id="image"),
        pytest.param((3, 1), (35, 57), (25, 31), id="anisotropic"),
        pytest.param((1, 2, 2), (3, 33, 19), (5, 27, 19), id="video"),
    ],
)
def test_tiled_equals_whole_under_the_same_noise(scale, shape, tile, batch_size):
    model, image = resolver(stochastic(scale)), scene(2, *shape)
    plan = TilePlan(shape, tile, receptive_field(model.generator))
    assert len(plan) > 1
    results = []
    for seed in (0, 1):
        noise = torch.randn(1, 5, generator=torch.Generator().manual_seed(seed))
        expected = whole(model, image, noise)
        results.append(tiled(model, image, plan, batch_size, noise))
        assert np.abs(results[-1] - expected).max() < 1e-5 * np.ptp(expected)
    assert np.abs(results[0] - results[1]).max() > 0.01 * np.ptp(results[0])


def test_zero_noise_gives_the_deterministic_answer():
    model, image = resolver(stochastic((2, 2))), scene(2, 57, 49)
    plan = TilePlan((57, 49), (29, 25), (8, 8))
    without = tiled(model, image, plan)
    np.testing.assert_array_equal(tiled(model, image, plan, noise=torch.zeros(1, 5)), without)
    assert np.abs(
        tiled(model, image, plan, noise=torch.ones(1, 5)) - without
    ).max() > 0.01 * np.ptp(without)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5])
def test_a_cpu_takes_one_tile_at_a_time(batch_size):
    generator = Repeat((2, 3))
    image = scene(1, 20, 23)
    plan = TilePlan((20, 23), (9, 8), (1, 1))
    assert len(plan) == 12
    result = tiled(resolver(generator, top=1), image, plan, batch_size)
    assert generator.seen == [(1, 1, 9, 8)] * 12
    np.testing.assert_array_equal(result, np.kron(image, np.ones((1, 2, 3))))


@pytest.mark.parametrize("size", [3, 5])
def test_a_batch_is_filled_to_its_full_size(size):
    generator = Repeat((2, 3))
    images = torch.rand(3, 1, 4, 5)
    result = _together(resolver(generator, top=1), images, size, None)
    assert generator.seen == [(size, 1, 4, 5)]
    torch.testing.assert_close(result, repeat(images, (2, 3)))


def test_a_tile_has_the_same_bits_whatever_shares_its_batch():
    model, image = resolver(srresnet((2, 2))), scene(2, 57, 49)
    plan = TilePlan((57, 49), (29, 25), (10, 10))
    together = tiled(model, image, plan, batch_size=3)
    for other in (1, 2, 5):
        np.testing.assert_array_equal(tiled(model, image, plan, batch_size=other), together)
    alone = np.full_like(together, np.nan)
    for tile in plan:
        one = tiled(
            model,
            image[(slice(None), *tile.read)],
            TilePlan((29, 25), (29, 25), (0, 0)),
            batch_size=3,
        )
        alone[(slice(None), *tile.target((2, 2)))] = one[(slice(None), *tile.crop((2, 2)))]
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together, tiled(model, image, plan, batch_size=3))


@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize(
    ("network", "scale", "shape", "tile"),
    [
        pytest.param(srresnet, (4, 4), (61, 43), (29, 25), id="srresnet"),
        pytest.param(rrdb, (1, 2), (59, 55), (45, 49), id="rrdb"),
        pytest.param(srresnet, (1, 2, 2), (3, 33, 5), (5, 23, 9), id="srresnet-video"),
    ],
)
def test_missing_pixels_stay_missing_and_touch_only_their_surroundings(
    network, scale, shape, tile, batch_size
):
    model, image = resolver(network(scale)), scene(2, *shape)
    radius = receptive_field(model.generator)
    plan = TilePlan(shape, tile, radius)
    missing = np.zeros(shape, dtype=bool)
    missing[tuple(slice(0, 2) for _ in shape)] = True
    missing[tuple(size // 2 for size in shape)] = True
    holed = image.copy()
    holed[1, missing] = np.nan  # one channel without data hides the pixel
    result, complete = tiled(model, holed, plan, batch_size), tiled(model, image, plan, batch_size)

    enlarged = np.kron(missing, np.ones(scale)) > 0
    np.testing.assert_array_equal(np.isnan(result), np.broadcast_to(enlarged, result.shape))
    near = missing.copy()
    for place in np.argwhere(missing):
        near[
            tuple(
                slice(max(at - reach, 0), at + reach + 1)
                for at, reach in zip(place, radius, strict=True)
            )
        ] = True
    far = ~(np.kron(near, np.ones(scale)) > 0)
    assert far.any()
    np.testing.assert_allclose(result[:, far], complete[:, far], atol=1e-5 * TOP, rtol=0)
    assert np.abs(result - complete)[:, ~far & ~enlarged].max() > 1e-3 * TOP


def test_missing_pixels_hold_the_middle_of_the_training_range_for_the_network():
    model, image = resolver(srresnet((2, 2))), scene(2, 17, 15)
    image[:, 3:6, 4:9] = np.nan
    filled = np.where(np.isnan(image), np.float32(TOP / 2), image)
    result, expected = (
        tiled(model, image, TilePlan((17, 15), (32, 32), (0, 0))),
        whole(model, filled),
    )
    seen = ~np.isnan(result)
    np.testing.assert_allclose(result[seen], expected[seen], atol=1e-5 * TOP)


def test_a_scene_without_any_data_comes_out_empty():
    image = np.full((2, 30, 30), np.nan, dtype=np.float32)
    assert np.isnan(
        tiled(resolver(srresnet((2, 2))), image, TilePlan((30, 30), (25, 25), (10, 10)))
    ).all()


class Recorder:
    """A reader and a writer that note what is asked of them, and fail when told to."""

    def __init__(self, shape, *, fail_at=None, error=None):
        self.shape, self.channels = shape, ("1",)
        self.events, self.windows = [], []
        self.fail_at, self.error = fail_at, error

    def _note(self, event):
        self.events.append(event)
        if self.fail_at == (event, self.events.count(event)):
            raise self.error

    def read(self, window):
        self._note("read")
        self.windows.append(window)
        return np.zeros((1, *(span.stop - span.start for span in window)), dtype=np.float32)

    def write(self, window, array):
        self._note("write")
        assert array.shape[1:] == tuple(span.stop - span.start for span in window)

    def close(self):
        self._note("close")

    def abort(self):
        self._note("abort")


def pass_through(recorder, batch_size=2):
    plan = TilePlan((40, 40), (10, 10), (1, 1))
    super_resolve(
        resolver(Repeat((2, 2)), top=1), recorder, recorder, plan=plan, batch_size=batch_size
    )


@pytest.mark.parametrize(
    "error", [OSError("disk full"), KeyboardInterrupt(), MemoryError()], ids=repr
)
@pytest.mark.parametrize(
    "fail_at", [("read", 1), ("read", 7), ("write", 1), ("write", 6), ("close", 1)], ids=str
)
def test_a_failure_aborts_the_writer_and_is_passed_on(fail_at, error):
    recorder = Recorder((40, 40), fail_at=fail_at, error=error)
    with pytest.raises(type(error)) as raised:
        pass_through(recorder)
    assert raised.value is error
    assert recorder.events[-2:] == [fail_at[0], "abort"]
    assert recorder.events.count("abort") == 1
    assert recorder.events.count("close") == (fail_at[0] == "close")


def test_a_network_for_other_channels_aborts_the_writer():
    recorder = Recorder((40, 40))
    model = resolver(Repeat((2, 2), in_channels=3), top=1)
    message = "the input has 1 channels and 2 spatial axes; the model takes 3 and 2."
    with pytest.raises(ValueError, match=re.escape(message)):
        super_resolve(model, recorder, recorder, plan=TilePlan((40, 40), (10, 10), (1, 1)))
    assert recorder.events == ["abort"]


@pytest.mark.parametrize("batch_size", [0, -1, "many", 1.5, True])
def test_wrong_batch_sizes_abort_the_writer(batch_size):
    recorder = Recorder((40, 40))
    with pytest.raises(
        ValueError, match=re.escape(f"batch_size is {batch_size!r}; give a number of tiles >= 1.")
    ):
        pass_through(recorder, batch_size)
    assert recorder.events == ["abort"]


@pytest.mark.parametrize(
    ("network", "shape", "message"),
    [
        # three vectors would make three tiles of a batch different samples
        (
            stochastic,
            (3, 5),
            "noise has the shape (3, 5); this model takes (1, 5), as its draw_noise(seed) gives.",
        ),
        (stochastic, (5,), "noise has the shape (5,); this model takes (1, 5), as"),
        (stochastic, (1, 4), "noise has the shape (1, 4); this model takes (1, 5), as"),
        (srresnet, (1, 5), "noise has the shape (1, 5); this model takes no noise."),
    ],
    ids=["three vectors", "no batch", "too short", "no noise taken"],
)
def test_noise_of_another_shape_aborts_the_writer(network, shape, message):
    recorder = Recorder((40, 40))
    plan = TilePlan((40, 40), (20, 20), (1, 1))
    with pytest.raises(ValueError, match=re.escape(message)):
        super_resolve(
            resolver(network((2, 2), channels=1)),
            recorder,
            recorder,
            plan=plan,
            noise=torch.ones(shape),
            batch_size=3,
        )
    assert recorder.events == ["abort"]


@pytest.mark.parametrize("batch_size", [1, 2, 7])
def test_no_more_than_a_batch_is_held(batch_size):
    recorder = Recorder((40, 40))
    pass_through(recorder, batch_size)
    steps = {"read": 1, "write": -1, "close": 0}
    assert max(itertools.accumulate(steps[event] for event in recorder.events)) == batch_size
    assert recorder.events.count("read") == recorder.events.count("write") == 25
    assert recorder.events[-1] == "close"
    assert {span.stop - span.start for window in recorder.windows for span in window} == {10}


def test_progress_counts_tiles(capsys):
    for progress in (True, False):
        recorder = Recorder((40, 40))
        plan = TilePlan((40, 40), (10, 10), (1, 1))
        super_resolve(
            resolver(Repeat((1, 1)), top=1), recorder, recorder, plan=plan, progress=progress
        )
        assert ("25/25" in capsys.readouterr().err) == progress


@pytest.mark.parametrize(
    ("generator", "reach"),
    # the radii that Ledig et al. and Wang et al. give these layers: 2·1 + 7.5 and 15·1 + 3.25, rounded up
    [(srresnet((4, 4)), 10), (rrdb((4, 4)), 19)],
    ids=["srresnet", "rrdb"],
)
def test_automatic_overlap_is_the_receptive_field_up_to_a_quarter_of_the_tile(
    generator, reach, caplog
):
    caplog.set_level(logging.INFO, "srlab")
    reader = ArrayReader(scene(2, 4 * reach + 1, 50))
    plan = plan_tiles(resolver(generator), reader, tile=4 * reach)
    assert plan == TilePlan((4 * reach + 1, 50), (4 * reach,) * 2, (reach,) * 2)
    assert f"overlap ({reach}, {reach}) LR pixels: the receptive field's radius" in caplog.text

    caplog.clear()
    plan = plan_tiles(resolver(generator), reader, tile=4 * reach - 1)
    assert plan.overlap < (reach, reach)
    assert f"the receptive field ({reach}, {reach}) is too large for these tiles" in caplog.text


@pytest.mark.parametrize(
    ("strengths", "overlap", "verdict"),
    [
        ({30: 5e-4}, 4, "within the tolerance of 0.001"),
        ({3: 0.1, 30: 5e-4}, 4, "within the tolerance of 0.001"),
        ({6: 0.1, 30: 5e-4}, 8, "within the tolerance of 0.001"),
        (
            {15: 0.1, 30: 5e-4},
            8,
            "above the tolerance of 0.001, and so does every smaller overlap: use larger tiles",
        ),
    ],
    ids=["far and weak", "near", "middle", "far and strong"],
)
def test_automatic_overlap_is_the_smallest_that_is_within_tolerance(
    strengths, overlap, verdict, caplog
):
    caplog.set_level(logging.INFO, "srlab")
    plan = plan_tiles(
        resolver(Echo(strengths), top=1), ArrayReader(scene(1, 90, 80, top=1.0)), tile=64
    )
    assert plan.overlap == (overlap, overlap)
    assert verdict in caplog.text


def test_automatic_overlap_of_small_tiles_is_not_measured_against_the_whole_sample(caplog):
    caplog.set_level(logging.INFO, "srlab")
    model = resolver(Echo({5: 0.5}), top=1)
    for tile in range(3, 20):
        caplog.clear()
        plan = plan_tiles(model, ArrayReader(scene(1, 90, 80, top=1.0)), tile=tile)
        assert (plan.overlap >= (5, 5)) == ("within" in caplog.text), tile


def test_automatic_overlap_minds_only_the_axes_that_tiles_cut(caplog):
    caplog.set_level(logging.INFO, "srlab")
    model = resolver(rrdb((1, 2, 2), channels=1))
    plan = plan_tiles(model, ArrayReader(scene(1, 1, 70, 30)), tile=32)
    assert plan.overlap[1] >= 4
    # flat scenes: 3 frames are no reason to see only a pixel beyond a tile
    assert plan_tiles(model, ArrayReader(scene(1, 3, 70, 30)), tile=32).overlap[1] >= 4
    assert "is too large for these tiles" in caplog.text


def test_automatic_overlap_is_not_measured_along_axes_that_no_tile_cuts():
    model = resolver(Echo({30: 5e-4}, upwards={9: 0.5}), top=1)
    assert plan_tiles(model, ArrayReader(scene(1, 20, 90, top=1.0)), tile=64).overlap == (4, 4)
    assert plan_tiles(model, ArrayReader(scene(1, 90, 90, top=1.0)), tile=64).overlap == (8, 8)


def test_scene_in_a_single_tile_needs_no_overlap():
    class Unmeasured(Repeat):
        def forward(self, lr):
            raise AssertionError("measured, although no tile has a seam")

    plan = plan_tiles(resolver(Unmeasured((2, 2))), ArrayReader(scene(1, 64, 64)), tile=64)
    assert plan.overlap == (0, 0)
    assert len(plan) == 1


@pytest.mark.parametrize(
    ("scale", "shape", "side"), [((2, 2), (300, 260), 256), ((2, 1, 1), (60, 9, 9), 48)]
)
def test_automatic_tile(scale, shape, side):
    plan = plan_tiles(resolver(Repeat(scale)), ArrayReader(scene(1, *shape)))
    assert plan.tile == (side,) * len(scale)
    assert plan.overlap == (0,) * len(scale)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"tile": 16, "overlap": 3}, TilePlan((60, 50), (16, 16), (3, 3))),
        ({"tile": [16, 20], "overlap": [0, 4]}, TilePlan((60, 50), (16, 20), (0, 4))),
        ({"tile": (60, 20), "overlap": 0}, TilePlan((60, 50), (60, 20), (0, 0))),
    ],
    ids=str,
)
def test_settings_are_taken_as_given(settings, expected):
    assert (
        plan_tiles(resolver(srresnet((2, 2))), ArrayReader(scene(2, 60, 50)), **settings)
        == expected
    )


@pytest.mark.parametrize("side", [16, 100])  # with and without a seam
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"tile": "big"},
            "tile is 'big'; give 'auto', one number of LR pixels >= 1, or one for each of 3 axes.",
        ),
        ({"tile": 0}, "tile is 0; give 'auto', one number of LR pixels >= 1,"),
        ({"tile": -4}, "tile is -4; give 'auto'"),
        ({"tile": 1.5}, "tile is 1.5; give 'auto'"),
        (
            {"tile": [16, 16]},
            "tile is [16, 16]; give 'auto', one number of LR pixels >= 1, or one for each of 3 axes.",
        ),
        (
            {"overlap": -1},
            "overlap is -1; give 'auto', one number of LR pixels >= 0, or one for each of 3 axes.",
        ),
        ({"overlap": "none"}, "overlap is 'none'; give 'auto'"),
        ({"overlap": (2, 2)}, "overlap is (2, 2); give 'auto'"),
        ({"overlap": [2, 2, None]}, "overlap is [2, 2, None]; give 'auto'"),
        ({"overlap": True}, "overlap is True; give 'auto'"),
    ],
    ids=str,
)
def test_wrong_settings_are_refused(settings, message, side):
    model = resolver(Repeat((1, 2, 2)))
    with pytest.raises(ValueError, match=re.escape(message)):
        plan_tiles(
            model, ArrayReader(scene(1, 20, 20, 20)), **{"tile": side, "overlap": 2, **settings}
        )


def test_overlap_that_leaves_no_core_is_refused():
    with pytest.raises(
        ValueError, match=re.escape("a tile of (16, 16) pixels with an overlap of (8, 8)")
    ):
        plan_tiles(resolver(Repeat((2, 2))), ArrayReader(scene(1, 20, 20)), tile=16, overlap=8)


@pytest.mark.parametrize("tile", [1, 2])
def test_tiles_too_small_for_any_overlap_are_refused(tile):
    with pytest.raises(ValueError, match="use larger tiles"):
        plan_tiles(resolver(srresnet((2, 2))), ArrayReader(scene(2, 20, 20)), tile=tile)


def test_scene_with_other_axes_is_refused():
    with pytest.raises(
        ValueError, match=re.escape("1 channels and 3 spatial axes; the model takes 1 and 2.")
    ):
        plan_tiles(resolver(Repeat((2, 2))), ArrayReader(scene(1, 20, 20, 20)))


@pytest.mark.parametrize("overlap", [0, 1, 3, 6])
def test_tiling_error_of_a_mean_is_that_of_the_half(overlap):
    sample = scene(1, 12, 20)[0].astype(float)
    halves = sample[: 6 + overlap], sample[:, : 10 + overlap]
    rows, columns = (abs(half.mean() - sample.mean()) for half in halves)
    model, image = resolver(SeesEverything((2, 2))), torch.from_numpy(sample).float()[None, None]
    assert tiling_error(model, overlap, image) == pytest.approx(max(rows, columns), abs=1e-3)
    assert tiling_error(model, overlap, image, axes=[0]) == pytest.approx(rows, abs=1e-3)
    assert tiling_error(model, overlap, image, axes=[1]) == pytest.approx(columns, abs=1e-3)


def test_tiling_error_is_gone_from_the_receptive_field_on():
    model = resolver(Echo({5: 0.5}), top=1)
    sample = torch.from_numpy(scene(1, 24, 30, top=1.0))[None]
    assert tiling_error(model, 5, sample) == 0
    # the row before the cut misses its echo of half the row 5 further on
    rows, columns = sample[0, 0, 12:17].max() / 2, sample[0, 0, :, 15:20].max() / 2
    assert tiling_error(model, 0, sample) == pytest.approx(float(max(rows, columns)), abs=1e-6)


def test_tiling_error_of_what_cannot_be_cut_is_zero():
    assert tiling_error(resolver(SeesEverything((2, 2))), 1, torch.ones(1, 1, 1, 1)) == 0


def test_devices_by_name():
    assert chosen_device("cpu") == torch.device("cpu")
    assert chosen_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:99"])
def test_device_that_is_not_there_is_refused(name):
    with pytest.raises(
        ValueError, match=rf"device={name} cannot be used here: .+; try device=auto\."
    ):
        chosen_device(name)
