from functools import partial

import pytest
import torch
from torch import nn

from srlab.degradations import Bicubic
from srlab.losses import L1, WeightedLoss, WeightedTerm
from srlab.training.losses import Losses, count_valid


class Doubler(nn.Module):
    """Enlarges by repetition; with noise it adds the vector's mean."""

    def __init__(self, noise_channels=None):
        super().__init__()
        self.noise_channels = noise_channels
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, lr, noise=None):
        sr = self.gain * lr.repeat_interleave(2, 2).repeat_interleave(2, 3)
        if noise is not None:
            sr = sr + noise.mean(dim=1).view(-1, 1, 1, 1)
        return sr


class Rounding(nn.Module):
    """Divides by the scene's number and loses what a float cannot get back."""

    def lr(self, image, scene=None):
        return (image / scene.view(-1, 1, 1, 1)).round()

    hr = lr

    def inverse(self, image, scene=None):
        return image * scene.view(-1, 1, 1, 1)


class Spy(nn.Module):
    """Keeps what a loss term is told."""

    space = "physical"

    def forward(self, sr, hr, context):
        self.sr, self.hr, self.context = sr, hr, context
        return (sr - hr).abs()


def losses(term, generator=None):
    return Losses(
        generator=generator or Doubler(),
        normaliser=Rounding(),
        content=WeightedLoss({"term": WeightedTerm(term=term, weight=2.0)}),
        degradation=Bicubic(scale=2),
        data_range=1.0,
    )


def batch(count=2, **more):
    lr, hr = torch.rand(count, 1, 4, 4), torch.rand(count, 1, 8, 8)
    return {"lr": 100 * lr, "hr": 100 * hr, "scene": torch.tensor([10.0, 50.0])[:count], **more}


def test_terms_in_physical_units_get_the_hr_of_the_batch():
    spy, given = Spy(), batch()
    made = losses(spy)
    result = made.content_loss(made.forward(given, None), step=3)
    assert torch.equal(spy.hr, given["hr"])
    assert spy.context.step == 3
    torch.testing.assert_close(result.values["loss/term"], (spy.sr - given["hr"]).abs().mean())
    torch.testing.assert_close(result.total, 2 * result.values["loss/term"])


def test_each_image_is_normalised_and_restored_by_its_own_scene():
    spy, given = Spy(), batch()
    images = losses(spy).forward(given, None)
    divided = given["lr"] / torch.tensor([10.0, 50.0]).view(2, 1, 1, 1)
    torch.testing.assert_close(images.lr, divided.round())
    losses(spy).content_loss(images, step=0)
    torch.testing.assert_close(spy.sr[1], 50 * images.sr[1].detach())


def test_each_image_of_a_stochastic_generator_has_noise_of_its_own():
    draw = partial(losses(L1(), Doubler(noise_channels=5)).forward, batch(), None)
    torch.manual_seed(0)
    first = draw()
    torch.manual_seed(0)
    assert torch.equal(draw().sr, first.sr)
    added = (first.sr - Doubler()(first.lr)).flatten(1).detach()
    torch.testing.assert_close(added, added[:, :1].expand_as(added))
    assert abs(added[0, 0] - added[1, 0]) > 1e-3


def test_hidden_pixels_are_zero_for_a_discriminator_and_bad_samples_are_found():
    valid = torch.ones(2, 1, 8, 8, dtype=torch.bool)
    valid[0, :, :2, :2] = False
    given = batch(valid=valid)
    given["lr"][0, 0, 0, 0] = torch.nan
    images = losses(L1()).forward(given, count_valid([given]))
    assert images.finite.tolist() == [False, True]
    for image in images.visible():
        assert (image[0, :, :2, :2] == 0).all()
        assert image.isfinite().all()


@pytest.mark.parametrize(("hidden", "count"), [([0, 0], 64.0), ([64, 32], 16.0)])
def test_valid_pixels_are_those_of_a_micro_batch_on_average(hidden, count):
    masks = [(torch.arange(64) >= number).view(1, 1, 8, 8) for number in hidden]
    assert count_valid([batch(1, valid=mask) for mask in masks]) == count


def test_without_masks_nothing_is_counted():
    assert count_valid([batch(1), batch(1)]) is None


def test_update_in_which_nothing_is_valid_counts_for_nothing():
    nothing = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    given = batch(1, valid=nothing)
    made = losses(L1())
    images = made.forward(given, count_valid([given]))
    assert images.any_valid == 0
    assert made.content_loss(images, step=0).total == 0


def test_batch_without_a_mask_counts_in_full_beside_one_with_a_mask():
    masked = batch(1, valid=torch.zeros(1, 1, 8, 8, dtype=torch.bool))
    assert count_valid([masked, batch(1)]) == 32.0
