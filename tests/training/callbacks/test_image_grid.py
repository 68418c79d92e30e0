from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ranks_as_threads import Recorder, validate

from srlab.io import Axis
from srlab.training.callbacks import ImageGrid

HALF = {"atol": 0.51 / 255}
"""The tolerance of 8 bits."""


def random(*size, seed=0):
    return 4000 * torch.rand(size, generator=torch.Generator().manual_seed(seed))


def view(channels, *side, scale=(2, 2), lr_channels=None):
    """SR and a batch of one random view."""
    large = [length * factor for length, factor in zip(side, scale, strict=True)]
    lr = random(1, lr_channels or channels, *side)
    hr = random(1, channels, *large, seed=2)
    return random(1, channels, *large, seed=1), {"lr": lr, "hr": hr}


def module_of(scale, axes=()):
    card = SimpleNamespace(scale=scale, continued=None)
    return SimpleNamespace(card=card, validation=SimpleNamespace(axes=axes))


def shown(monkeypatch, views, *, on=1, scale=(2, 2), axes=(), **given):
    """The pictures that are logged for some views, in the order of logging."""
    logger = Recorder()
    state = {"loggers": [logger], "global_step": 12, "sanity_checking": False}
    module = module_of(scale, axes)
    validate(monkeypatch, lambda: ImageGrid(**given), module, views, on=on, **state)
    assert {step for _, step in logger.found} == {12}
    return {name: pixels / 255 for (name, _), pixels in logger.found.items()}


def stretched(image, like, percentiles=(1, 99)):
    """An image ``(C, H, W)`` as a picture ``(H, W, C)``."""
    low, high = np.percentile(like, percentiles)
    return np.clip((np.moveaxis(image, 0, -1) - low) / (high - low), 0, 1)


def test_columns_are_lr_bicubic_sr_and_hr(monkeypatch):
    sr, batch = view(3, 4, 5)
    picture = shown(monkeypatch, [(sr, batch)])["validation/0"]
    assert picture.shape == (8, 4 * 10, 3)
    hr = batch["hr"][0].numpy()
    columns = {0: np.kron(batch["lr"][0].numpy(), np.ones((2, 2))), 2: sr[0].numpy(), 3: hr}
    for column, image in columns.items():
        found = picture[:, 10 * column :][:, :10]
        np.testing.assert_allclose(found, stretched(image, hr), **HALF)


def test_every_logger_gets_the_pictures(monkeypatch):
    loggers = [Recorder(), Recorder()]
    state = {"loggers": loggers, "global_step": 12, "sanity_checking": False}
    module = module_of((2, 2))
    validate(monkeypatch, ImageGrid, module, [view(1, 4, 4)], **state)
    assert [[*logger.found] for logger in loggers] == [[("validation/0", 12)]] * 2


def test_channels_and_stretch_are_as_given(monkeypatch):
    sr, batch = view(5, 4, 4)
    given = {"channels": [4, 2, 1], "stretch": [10, 60]}
    picture = shown(monkeypatch, [(sr, batch)], **given)["validation/0"]
    chosen = [3, 1, 0]
    expected = stretched(sr[0, chosen].numpy(), batch["hr"][0, chosen].numpy(), (10, 60))
    np.testing.assert_allclose(picture[:, 16:24], expected, **HALF)


@pytest.mark.parametrize(
    ("shape", "height", "width"),
    [("middle", 8, 6), ("slices", 10, 6 + 6 + 8), ("frames", 8, 4 * 6)],
)
def test_images_of_a_volume_stand_one_below_the_other(monkeypatch, shape, height, width):
    scale = (1, 2, 2)
    views = [view(1, 10, 4, 3, scale=scale)]
    picture = shown(monkeypatch, views, scale=scale, view=shape)["validation/0"]
    assert picture.shape == (4 * height, width, 3)


def test_thick_slices_are_as_thick_as_they_are(monkeypatch):
    axes = tuple(Axis(name, size, "mm") for name, size in zip("zyx", (3.0, 1.0, 1.0), strict=True))
    scale = (1, 2, 2)
    views = [view(1, 5, 4, 3, scale=scale)]
    picture = shown(monkeypatch, views, scale=scale, axes=axes)["validation/0"]
    assert picture.shape == (4 * 15, 6 + 6 + 8, 3)


def test_missing_pixels_of_hr_are_black_and_do_not_count(monkeypatch):
    sr, batch = view(1, 4, 4)
    batch["valid"] = torch.ones(1, 1, 8, 8, dtype=torch.bool)
    batch["valid"][..., :3] = False
    batch["hr"][..., :3] = 1e9
    picture = shown(monkeypatch, [(sr, batch)])["validation/0"]
    assert (picture[:, 24:27] == 0).all()
    visible = batch["hr"][0, :, :, 3:].numpy()
    np.testing.assert_allclose(picture[:, 27:, :1], stretched(visible, visible), **HALF)


def test_lr_of_other_channels_is_left_out(monkeypatch):
    picture = shown(monkeypatch, [view(3, 4, 4, lr_channels=7)])["validation/0"]
    assert picture.shape == (8, 16, 3)


@pytest.mark.parametrize("state", [{"sanity_checking": True}, {"loggers": []}], ids=str)
def test_nothing_is_gathered_where_nobody_looks(monkeypatch, state):
    logger = Recorder()
    state = {"loggers": [logger], "global_step": 12, "sanity_checking": False, **state}
    module = module_of((2, 2))
    assert validate(monkeypatch, ImageGrid, module, [view(1, 4, 4)] * 3, on=2, **state) == 0
    assert not logger.found


@pytest.mark.parametrize("ranks", [1, 3, 5])
def test_first_views_are_shown_in_order_on_any_number_of_ranks(monkeypatch, ranks):
    views = [view(3, side, 4) for side in (4, 5, 6, 7)]
    for count, expected in ((3, 3), (9, 4)):
        pictures = shown(monkeypatch, views, on=ranks, count=count)
        assert [*pictures] == [f"validation/{number}" for number in range(expected)]
        for picture, (sr, batch) in zip(pictures.values(), views, strict=False):
            column = stretched(sr[0].numpy(), batch["hr"][0].numpy())
            np.testing.assert_allclose(picture[:, 16:24], column, **HALF)


def test_pictures_of_a_validation_that_was_cut_short_are_forgotten(monkeypatch):
    callback = ImageGrid()
    logger = Recorder()
    state = {"loggers": [logger], "global_step": 12, "sanity_checking": False}
    trainer = SimpleNamespace(**state, datamodule=SimpleNamespace(view=lambda number: number))
    module = module_of((2, 2))
    for number in range(3):
        callback.on_validation_batch_end(trainer, module, *view(1, 4, 4), number)
    validate(monkeypatch, lambda: callback, module, [view(1, 4, 4)], **state)
    assert [*logger.found] == [("validation/0", 12)]
