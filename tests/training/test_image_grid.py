from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from srlab.training.callbacks import ImageGrid, image_grid
from srlab.training.module import GAN


def random(*size, seed=0):
    return 4000 * torch.rand(size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def logged(monkeypatch):
    """What the callback logs for one view, by name and step."""

    def run(callback, lr, sr, batch, scale, *, number=0, **state):
        found = {}
        monkeypatch.setattr(image_grid, "visual", lambda loggers: loggers)
        monkeypatch.setattr(
            image_grid, "log_image", lambda logger, name, picture, step: found.update({(logger, name, step): picture})
        )
        trainer = SimpleNamespace(
            **{
                "loggers": ["one", "other"],
                "global_step": 12,
                "sanity_checking": False,
                "is_global_zero": True,
                **state,
            }
        )
        module = Mock(spec=GAN, card=SimpleNamespace(scale=scale))
        callback.on_validation_batch_end(trainer, module, sr, {"lr": lr, **batch}, number)
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
    for column, image in ((0, np.kron(lr[0].numpy(), np.ones((2, 2)))), (2, sr[0].numpy()), (3, like)):
        np.testing.assert_allclose(picture[..., 10 * column :][..., :10], stretched(image, like), atol=1e-5)


def test_channels_and_stretch_are_as_given(logged):
    lr, sr, hr = random(1, 5, 4, 4), random(1, 5, 8, 8, seed=1), random(1, 5, 8, 8, seed=2)
    callback = ImageGrid(channels=[4, 2, 1], stretch=[10, 60])
    picture = logged(callback, lr, sr, {"hr": hr}, (2, 2))["one", "validation/0", 12]
    shown = [3, 1, 0]
    expected = stretched(sr[0, shown].numpy(), hr[0, shown].numpy(), (10, 60))
    np.testing.assert_allclose(picture[..., 16:24].numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(("view", "width"), [("middle", 6), ("slices", 6 + 6 + 8), ("frames", 4 * 6)])
def test_images_of_a_volume_stand_one_below_the_other(logged, view, width):
    lr, sr, hr = random(1, 1, 10, 4, 3), random(1, 1, 10, 8, 6, seed=1), random(1, 1, 10, 8, 6, seed=2)
    picture = logged(ImageGrid(view=view), lr, sr, {"hr": hr}, (1, 2, 2))["one", "validation/0", 12]
    height = 10 if view == "slices" else 8
    assert picture.shape == (3, 4 * height, width)


def test_missing_pixels_of_hr_are_black_and_do_not_count(logged):
    lr, sr, hr = random(1, 1, 4, 4), random(1, 1, 8, 8, seed=1), random(1, 1, 8, 8, seed=2)
    valid = torch.ones(1, 1, 8, 8, dtype=torch.bool)
    valid[..., :3] = False
    hr[..., :3] = 1e9
    picture = logged(ImageGrid(), lr, sr, {"hr": hr, "valid": valid}, (2, 2))["one", "validation/0", 12].numpy()
    assert (picture[..., 24:27] == 0).all()
    expected = stretched(hr[0, :, :, 3:].numpy(), hr[0, :, :, 3:].numpy())
    np.testing.assert_allclose(picture[:1, :, 27:], expected, atol=1e-5)


def test_lr_of_other_channels_is_left_out(logged):
    sr, hr = random(1, 3, 8, 8), random(1, 3, 8, 8)
    picture = logged(ImageGrid(), random(1, 7, 4, 4), sr, {"hr": hr}, (2, 2))["one", "validation/0", 12]
    assert picture.shape == (3, 8, 16)


@pytest.mark.parametrize(
    "given", [{"number": 2}, {"sanity_checking": True}, {"is_global_zero": False}, {"loggers": []}], ids=str
)
def test_only_the_first_views_of_real_validations_are_shown_once(logged, given):
    lr, hr = random(1, 1, 4, 4), random(1, 1, 8, 8)
    assert not logged(ImageGrid(count=2), lr, hr, {"hr": hr}, (2, 2), **given)
