from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from together import validate

from srlab.training import loggers
from srlab.training.callbacks import ImageGrid, image_grid
from srlab.training.module import GAN


def random(*size, seed=0):
    return 4000 * torch.rand(size, generator=torch.Generator().manual_seed(seed))


def module(scale):
    return Mock(spec=GAN, card=SimpleNamespace(scale=scale))


STATE = {"loggers": ["one", "other"], "global_step": 12, "sanity_checking": False}


@pytest.fixture
def found(monkeypatch):
    """What has been logged, by logger, name and step."""
    pictures = {}

    def log_image(logger, name, picture, step):
        assert pictures.setdefault((logger, name, step), picture) is picture  # once

    monkeypatch.setattr(loggers, "visual", lambda loggers: loggers)
    monkeypatch.setattr(image_grid, "log_image", log_image)
    return pictures


@pytest.fixture
def logged(found, monkeypatch):
    """What the callback logs for one view, by logger, name and step."""

    def run(callback, lr, sr, batch, scale, **state):
        validate(
            monkeypatch,
            lambda: callback,
            module(scale),
            [(sr, {"lr": lr, **batch})],
            **{**STATE, **state},
        )
        return found

    return run


def stretched(image, like, percentiles=(1, 99)):
    low, high = np.percentile(like, percentiles)
    return np.clip((image - low) / (high - low), 0, 1)


def test_columns_are_lr_bicubic_sr_and_hr_alike_in_every_logger(logged):
    lr, sr, hr = random(1, 3, 4, 5), random(1, 3, 8, 10, seed=1), random(1, 3, 8, 10, seed=2)
    found = logged(ImageGrid(), lr, sr, {"hr": hr}, (2, 2))
    assert set(found) == {("one", "validation/0", 12), ("other", "validation/0", 12)}
    picture = found["one", "validation/0", 12].numpy()
    assert picture.shape == (3, 8, 4 * 10)
    like = hr[0].numpy()
    for column, image in (
        (0, np.kron(lr[0].numpy(), np.ones((2, 2)))),
        (2, sr[0].numpy()),
        (3, like),
    ):
        np.testing.assert_allclose(
            picture[..., 10 * column :][..., :10], stretched(image, like), atol=0.51 / 255
        )


def test_channels_and_stretch_are_as_given(logged):
    lr, sr, hr = random(1, 5, 4, 4), random(1, 5, 8, 8, seed=1), random(1, 5, 8, 8, seed=2)
    callback = ImageGrid(channels=[4, 2, 1], stretch=[10, 60])
    picture = logged(callback, lr, sr, {"hr": hr}, (2, 2))["one", "validation/0", 12]
    shown = [3, 1, 0]
    expected = stretched(sr[0, shown].numpy(), hr[0, shown].numpy(), (10, 60))
    np.testing.assert_allclose(picture[..., 16:24].numpy(), expected, atol=0.51 / 255)


@pytest.mark.parametrize(
    ("view", "width"), [("middle", 6), ("slices", 6 + 6 + 8), ("frames", 4 * 6)]
)
def test_images_of_a_volume_stand_one_below_the_other(logged, view, width):
    lr, sr, hr = (
        random(1, 1, 10, 4, 3),
        random(1, 1, 10, 8, 6, seed=1),
        random(1, 1, 10, 8, 6, seed=2),
    )
    picture = logged(ImageGrid(view=view), lr, sr, {"hr": hr}, (1, 2, 2))["one", "validation/0", 12]
    height = 10 if view == "slices" else 8
    assert picture.shape == (3, 4 * height, width)


def test_missing_pixels_of_hr_are_black_and_do_not_count(logged):
    lr, sr, hr = random(1, 1, 4, 4), random(1, 1, 8, 8, seed=1), random(1, 1, 8, 8, seed=2)
    valid = torch.ones(1, 1, 8, 8, dtype=torch.bool)
    valid[..., :3] = False
    hr[..., :3] = 1e9
    picture = logged(ImageGrid(), lr, sr, {"hr": hr, "valid": valid}, (2, 2))[
        "one", "validation/0", 12
    ].numpy()
    assert (picture[..., 24:27] == 0).all()
    expected = stretched(hr[0, :, :, 3:].numpy(), hr[0, :, :, 3:].numpy())
    np.testing.assert_allclose(picture[:1, :, 27:], expected, atol=0.51 / 255)


def test_lr_of_other_channels_is_left_out(logged):
    sr, hr = random(1, 3, 8, 8), random(1, 3, 8, 8)
    picture = logged(ImageGrid(), random(1, 7, 4, 4), sr, {"hr": hr}, (2, 2))[
        "one", "validation/0", 12
    ]
    assert picture.shape == (3, 8, 16)


@pytest.mark.parametrize("state", [{"sanity_checking": True}, {"loggers": []}], ids=str)
def test_nothing_is_gathered_where_nobody_looks(found, monkeypatch, state):
    views = [(random(1, 1, 8, 8), {"lr": random(1, 1, 4, 4), "hr": random(1, 1, 8, 8)})] * 3
    assert validate(monkeypatch, ImageGrid, module((2, 2)), views, on=2, **{**STATE, **state}) == 0
    assert not found


@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
def test_first_views_are_shown_in_order_on_any_number_of_ranks(found, monkeypatch, ranks):
    views = [
        (
            random(1, 3, side, 8, seed=side),
            {"lr": random(1, 3, side // 2, 4), "hr": random(1, 3, side, 8, seed=1)},
        )
        for side in (8, 10, 12, 14)
    ]
    for count, shown in ((3, 3), (9, 4)):
        found.clear()
        validate(
            monkeypatch,
            lambda count=count: ImageGrid(count=count),
            module((2, 2)),
            views,
            on=ranks,
            **STATE,
        )
        names = [f"validation/{view}" for view in range(shown)]
        assert list(found) == [(logger, name, 12) for name in names for logger in ("one", "other")]
        for name, (sr, batch) in zip(names, views, strict=False):
            column = found["one", name, 12][..., 16:24].numpy()
            np.testing.assert_allclose(
                column, stretched(sr[0].numpy(), batch["hr"][0].numpy()), atol=0.51 / 255
            )


def test_pictures_of_a_validation_that_was_cut_short_are_forgotten(found, monkeypatch):
    callback = ImageGrid()
    trainer = SimpleNamespace(**STATE, datamodule=SimpleNamespace(view=lambda number: number))
    batch = {"lr": random(1, 1, 4, 4), "hr": random(1, 1, 8, 8)}
    for number in range(3):
        callback.on_validation_batch_end(trainer, module((2, 2)), random(1, 1, 8, 8), batch, number)
    validate(monkeypatch, lambda: callback, module((2, 2)), [(random(1, 1, 8, 8), batch)], **STATE)
    assert {name for _, name, _ in found} == {"validation/0"}
