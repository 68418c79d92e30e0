from dataclasses import replace

import pytest
import torch
from model_examples import image, model

import srlab
from srlab.degradations import Area, Bicubic
from srlab.losses import L1, WeightedLoss, WeightedTerm
from srlab.mistakes import Mistake
from srlab.models.agreement import Agreement
from srlab.training.losses import Losses

BICUBIC = {"_target_": "srlab.degradations.Bicubic", "scale": [2, 2]}
NAMES = ("red", "green", "blue")


def trained_through(normaliser="MinMax", **changes):
    """A model whose card says that it was trained through a projection."""
    made = model(normaliser=normaliser)
    made.card = replace(made.card, projection=True, degradation=BICUBIC, **changes)
    return made


def test_model_from_a_bundle_agrees_with_its_input_up_to_the_borders(tmp_path):
    trained_through().save(tmp_path / "model.safetensors")
    loaded, lr = srlab.load(tmp_path / "model.safetensors"), image(12, 9)
    for edges in ("replicate", "zeros"):
        again = Bicubic(scale=2)(loaded(lr, edges=edges))
        torch.testing.assert_close(again, lr, rtol=0, atol=1e-5 * 255)


def test_output_agrees_with_the_input_channels_of_its_names():
    made = trained_through(output_names=("blue", "red"))
    lr = image(8, 8)
    made = made.projected()
    sr = made.agreement(torch.zeros(2, 2, 16, 16), lr)
    torch.testing.assert_close(Bicubic(scale=2)(sr), lr[:, [2, 0]], rtol=0, atol=1e-5 * 255)


def test_missing_pixels_stay_missing():
    made, lr = trained_through("Identity"), image(8, 8)
    made = made.projected()
    lr[0, :, 3, 4] = torch.nan
    assert int(made(lr).isnan().sum()) == 3 * 2 * 2


def test_training_sees_what_prediction_gives_and_learns_through_it():
    made, degradation = trained_through(), Area(scale=2)
    agreement = Agreement(degradation, input_names=NAMES, output_names=NAMES)
    losses = Losses(
        generator=made.generator,
        normaliser=made.normaliser,
        content=WeightedLoss({"l1": WeightedTerm(term=L1(), weight=1.0)}),
        degradation=degradation,
        data_range=255.0,
        agreement=agreement,
    )
    hr = image(16, 16)
    images = losses.forward({"lr": degradation(hr), "hr": hr}, None)
    losses.content_loss(images, step=0).total.backward()
    assert all(parameter.grad is not None for parameter in made.generator.parameters())
    made.agreement = agreement
    predicted = made(images.batch["lr"], edges="zeros")
    physical = made.normaliser.inverse(images.sr.detach())
    torch.testing.assert_close(physical, predicted, rtol=0, atol=1e-3)


def test_what_cannot_be_projected_is_refused():
    cases = [
        ({"degradation": {}}, "does not say how LR was made of HR"),
        (
            {"degradation": BICUBIC | {"integers": [0, 255]}},
            "Bicubic, as it made LR, .* is not linear",
        ),
        ({"degradation": {"_target_": "os.system"}}, "not a class of srlab.degradations"),
        (
            {"output_names": ("red", "green", "nir")},
            "'nir' is not among the input channels .red, green",
        ),
    ]
    for changes, message in cases:
        made = model()
        made.card = replace(made.card, **{"degradation": BICUBIC} | changes)
        with pytest.raises(Mistake, match=message):
            made.projected()
