import copy
import logging

import pytest
import torch
from model_examples import card
from torch import nn

from srlab.adversarial import BCE, Relativistic
from srlab.degradations import Bicubic
from srlab.discriminators import (
    ESRGANDiscriminator,
    Judgement,
    PatchGANDiscriminator,
    SRGANDiscriminator,
)
from srlab.metrics import PSNR
from srlab.models.super_resolver import SuperResolver
from srlab.normalisers import MinMax
from srlab.training.adversary import Adversary
from srlab.training.validation import Validation, crops_of

CROP = 32


class Brighter(nn.Module):
    """A network that enlarges by repetition and adds to each pixel, in the network's range."""

    in_channels, scale = 1, (2, 2)

    def __init__(self, by):
        super().__init__()
        self.by = by

    def forward(self, lr):
        return lr.repeat_interleave(2, 2).repeat_interleave(2, 3) + self.by


class DarkIsReal(nn.Module):
    """Takes what is darker than a level on average for real."""

    def __init__(self, level):
        super().__init__()
        self.level = level
        self.seen = []

    def forward(self, image):
        self.seen.append(image)
        return Judgement((self.level - image.mean(dim=(1, 2, 3))[:, None],), ())


class ByScene(nn.Module):
    """Divides by a number of the scene."""

    scope = "scene"

    def lr(self, image, scene=None):
        return image / scene.view(-1, 1, 1, 1)

    hr = lr

    def inverse(self, image, scene=None):
        return image * scene.view(-1, 1, 1, 1)


def mean_error(sr, hr, context):
    return (sr - hr).mean(dim=(1, 2, 3))


def adversary_of(discriminator, objective=None):
    game = {"weight": 1.0, "feature_matching": 0.0, "penalty": None, "training": None}
    return Adversary(discriminator=discriminator, objective=objective or BCE(), **game)


def validate(adversary, *views, crop=(CROP, CROP), by=0.1, metrics=None, normaliser=None):
    described = card(input_names=("grey",), output_names=("grey",), bands=(1,))
    normaliser = normaliser or MinMax(minimum=0.0, maximum=255.0)
    model = SuperResolver(generator=Brighter(by), normaliser=normaliser, card=described)
    settings = {
        "degradation": Bicubic(scale=2),
        "data_range": 255.0,
        "axes": (),
        "crop": crop,
    }
    validation = Validation(metrics=metrics or {}, **settings)
    validation.start(model, adversary)
    with torch.inference_mode():
        for number, view in enumerate(views):
            batch = {"lr": view["hr"][:, :, ::2, ::2], **view}
            validation.score(batch, number=number)
    return {name: value.item() for name, value in validation.means().items()}


def flat(*grey, size=CROP):
    """A view of crops side by side, each of one grey in the network's range."""
    crops = [torch.full((1, 1, size, size), 255.0 * value) for value in grey]
    return {"hr": torch.cat(crops, dim=-1)}


def test_shares_are_of_crops_then_of_views():
    # SR is HR and 0.1. 0.3 and 0.4 are told apart; 0.6 and 0.7 both pass for fake, 0.2 and 0.3
    # both for real.
    found = validate(adversary_of(DarkIsReal(0.35)), flat(0.3, 0.6, 0.2, 0.6), flat(0.3))
    expected = {"val/accuracy_real": (0.5 + 1) / 2, "val/accuracy_fake": (0.75 + 1) / 2}
    assert found == pytest.approx(expected)


def test_without_a_discriminator_nothing_is_said_of_it():
    assert validate(None, flat(0.3)) == {}


def test_discriminator_sees_the_networks_range_in_crops_and_zero_where_pixels_are_hidden():
    hidden = torch.zeros(1, 1, CROP, 2 * CROP, dtype=torch.bool)
    hidden[..., :8, :CROP] = True
    discriminator = DarkIsReal(0.5)
    validate(adversary_of(discriminator), flat(0.25, 0.75) | {"valid": ~hidden})
    sr, hr = discriminator.seen
    assert hr.shape == sr.shape == (2, 1, CROP, CROP)
    for image, by in ((sr, 0.1), (hr, 0.0)):
        assert (image[0, :, :8] == 0).all()
        torch.testing.assert_close(image[0, :, 8:], torch.full((1, CROP - 8, CROP), 0.25 + by))
        torch.testing.assert_close(image[1], torch.full((1, CROP, CROP), 0.75 + by))


def test_crops_without_any_data_are_not_judged():
    valid = torch.ones(1, 1, CROP, 2 * CROP, dtype=torch.bool)
    valid[..., CROP:] = False
    adversary = adversary_of(DarkIsReal(0.35))
    assert validate(adversary, flat(0.3, 0.2) | {"valid": valid}) == validate(adversary, flat(0.3))
    assert validate(adversary, flat(0.3) | {"valid": valid[..., CROP:]}) == {}


def test_views_smaller_than_a_crop_are_not_judged():
    adversary = adversary_of(DarkIsReal(0.35))
    assert validate(adversary, flat(0.3, size=CROP - 2)) == {}
    found = validate(adversary, flat(0.3, size=CROP - 2), flat(0.6))
    assert found == validate(adversary, flat(0.6))


@pytest.mark.parametrize(
    ("objective", "relative"),
    [(BCE(), False), (Relativistic(), True)],
    ids=["absolute", "relative"],
)
def test_judgement_is_that_of_training_and_teaches_nothing(objective, relative):
    torch.manual_seed(0)
    discriminator = SRGANDiscriminator(in_channels=1, channels=4, pooled_size=1, dense_channels=8)
    views = 255 * torch.rand(1, 1, 3 * CROP, 3 * CROP)
    training = copy.deepcopy(discriminator).train()
    for _ in range(20):  # running averages that have seen both kinds
        discriminator.train()(torch.rand(4, 1, CROP, CROP) ** 3)
    before = copy.deepcopy(discriminator.eval().state_dict())
    found = validate(adversary_of(discriminator, objective), {"hr": views})
    after = discriminator.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    training.load_state_dict(before)
    hr = crops_of(views / 255, (CROP, CROP))
    sr = crops_of(Brighter(0.1)(views[:, :, ::2, ::2] / 255), (CROP, CROP))
    with torch.no_grad():
        (fake,), (real,) = training(sr).logits, training(hr).logits
    below, above = real.mean() * relative, fake.mean() * relative
    assert found == pytest.approx({
        "val/accuracy_fake": (fake < below).float().mean().item(),
        "val/accuracy_real": (real > above).float().mean().item(),
    })  # fmt: skip


@pytest.mark.parametrize(
    "kind", [ESRGANDiscriminator, PatchGANDiscriminator], ids=lambda kind: kind.__name__
)
def test_single_crop_of_the_smallest_size_is_judged(kind):
    discriminator = kind(in_channels=1, channels=4).eval()
    side = discriminator.minimum_size
    hr = 255 * torch.rand(1, 1, side, side, generator=torch.Generator().manual_seed(0))
    found = validate(adversary_of(discriminator), {"hr": hr}, crop=(side, side))
    assert set(found) == {"val/accuracy_real", "val/accuracy_fake"}
    assert all(0 <= value <= 1 for value in found.values())


def test_each_view_is_scored_by_its_own_scene_in_physical_units():
    views = [flat(0.5) | {"scene": torch.tensor([[[scale]]])} for scale in (10.0, 100.0)]
    found = validate(None, *views, metrics={"error": mean_error}, normaliser=ByScene())
    assert found["val/error"] == pytest.approx((1 + 10) / 2)  # 0.1 in the network's range


def test_crops_of_a_volume_are_its_parts():
    volume = torch.arange(2 * 5 * 6 * 9).reshape(1, 2, 5, 6, 9)
    crops = crops_of(volume, (2, 3, 4))
    assert crops.shape == (2 * 2 * 2, 2, 2, 3, 4)
    assert torch.equal(crops[0], volume[0, :, :2, :3, :4])
    assert torch.equal(crops[-1], volume[0, :, 2:4, 3:6, 4:8])


def test_held_out_views_of_nothing_are_told_of_once(caplog):
    with caplog.at_level(logging.INFO):
        validate(None, flat(0.0), flat(0.5), metrics={"psnr": PSNR()})
    lines = [each.message for each in caplog.records]
    assert [line for line in lines if "equals HR in every validation view" in line] == lines[-1:]
    caplog.clear()
    textured = {"hr": torch.zeros(1, 1, CROP, CROP)}
    textured["hr"][..., ::2] = 100.0
    with caplog.at_level(logging.INFO):
        validate(None, flat(0.0), textured, metrics={"psnr": PSNR()})
    assert "equals HR in every validation view" not in caplog.text


def test_exact_views_are_counted_and_do_not_rule(caplog):
    """SR is HR and an error, but in views without one, where both are exact."""
    textured = {"hr": torch.zeros(1, 1, CROP, CROP)}
    textured["hr"][..., ::2] = 100.0  # repeated columns of LR miss every second one
    views = [textured, flat(0.0), flat(0.5), flat(0.25)]
    with caplog.at_level(logging.INFO):
        found = validate(None, *views, by=0.0, metrics={"psnr": PSNR()})
    error = 100.0**2 / 2 / 4  # half of the columns of one of four views
    expected = 10 * torch.log10(torch.tensor(255.0**2 / error)).item()
    assert found["val/psnr"] == pytest.approx(expected, abs=1e-4)
    assert torch.tensor(found["val/psnr_bicubic"]).isfinite()
    lines = [each.message for each in caplog.records]
    assert [line.partition(",")[0] for line in lines] == [
        "val/psnr and val/psnr_bicubic: 3 of 4 exact"
    ]
