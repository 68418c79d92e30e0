import re

import pytest
import torch
from torch.nn import functional

from srlab.adversarial import BCE, LSGAN
from srlab.discriminators import PatchGANDiscriminator
from srlab.mistakes import Mistake
from srlab.training.adversary import Adversary
from srlab.training.losses import NetworkLoss

CONTENT = NetworkLoss(torch.tensor(3.0), {"loss/content": torch.tensor(3.0)})


class Always:
    """A penalty of 1."""

    def due(self, update):
        return update > 0

    def __call__(self, discriminator, fake, real):
        return torch.ones(())


def adversary(**changes):
    torch.manual_seed(0)
    network = PatchGANDiscriminator(in_channels=1, channels=4, layers=1, normalisation="none")
    defaults = {"objective": LSGAN(), "weight": 0.5, "feature_matching": 0.25, "penalty": None}
    return Adversary(discriminator=network, training=None, **{**defaults, **changes})


def images():
    generator = torch.Generator().manual_seed(0)
    sr, hr = torch.rand(2, 2, 1, 16, 16, generator=generator)
    return sr.requires_grad_(), hr


def gradients(network):
    return [parameter.grad for parameter in network.parameters()]


def test_generators_side_adds_the_weighted_game_and_teaches_the_discriminator_nothing():
    game, (sr, hr) = adversary(), images()
    real = game.discriminator(hr)
    result = game.generator_loss(CONTENT, sr, real, share=0.1, any_valid=1.0)
    logits, features = game.discriminator(sr)
    distance = sum((a - b).abs().mean() for a, b in zip(features, real.features, strict=True))
    expected = {
        "loss/adversarial": (logits[0] - 1).square().mean() / 2,
        "loss/feature_matching": distance / len(features),
    }
    for name, value in expected.items():
        torch.testing.assert_close(result.values[name], value)
    total = 3 + 0.05 * expected["loss/adversarial"] + 0.025 * expected["loss/feature_matching"]
    torch.testing.assert_close(result.total, total)
    assert result.values["loss/generator"] is result.total
    result.total.backward()
    assert sr.grad.abs().sum() > 0
    assert gradients(game.discriminator) == [None] * len(gradients(game.discriminator))
    assert all(parameter.requires_grad for parameter in game.discriminator.parameters())


def test_game_without_a_share_leaves_the_content_loss_as_it_is():
    game, (sr, hr) = adversary(), images()
    real = game.discriminator(hr)
    assert game.generator_loss(CONTENT, sr, real, share=0.0, any_valid=1.0) is CONTENT


@pytest.mark.parametrize("update", [0, 1])
def test_discriminators_side_teaches_the_generator_nothing(update):
    game, (sr, hr) = adversary(objective=BCE(), penalty=Always()), images()
    result = game.discriminator_loss(sr, hr, game.discriminator(hr), update)
    real, fake = game.discriminator(hr).logits[0], game.discriminator(sr).logits[0]
    values = {
        "discriminator/real": real.sigmoid().mean(),
        "discriminator/fake": fake.sigmoid().mean(),
    }
    for name, value in values.items():
        torch.testing.assert_close(result.values[name], value)
    assert ("loss/penalty" in result.values) == (update == 1)
    error = functional.binary_cross_entropy_with_logits
    loss = error(real, torch.ones_like(real)) + error(fake, torch.zeros_like(fake))
    torch.testing.assert_close(result.total, loss + update)
    result.total.backward()
    assert sr.grad is None


def test_weights_are_finite_and_not_negative():
    for name in ["weight", "feature_matching"]:
        for value in [-1.0, float("nan"), float("inf")]:
            message = f"adversarial.{name} is {value}; give a finite number >= 0."
            with pytest.raises(Mistake, match=re.escape(message)):
                adversary(**{name: value})
