import re

import numpy as np
import pytest
import torch
from term_checks import (
    assert_finite_at_extremes,
    assert_gradient_is_derivative,
    context,
    random,
    value,
)
from torch import nn

from srlab.losses.perceptual import Perceptual

PLAIN = {"mean": None, "std": None}
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


class Outputs(nn.Module):
    """The image and its square, packed in some way."""

    def __init__(self, pack):
        super().__init__()
        self.pack = pack

    def forward(self, image):
        return self.pack(image, image.square())


def as_list(*outputs):
    return list(outputs)


def as_dictionary(first, second):
    return {"first": first, "second": second}


def filters(channels=3, dims=2):
    torch.manual_seed(0)
    return {2: nn.Conv2d, 3: nn.Conv3d}[dims](channels, 4, 3)


def test_matches_the_formula_in_numpy():
    cases = [
        (lambda first, second: second, None, [0.3], (0, 0.3)),
        (as_list, None, None, (1, 1)),
        (as_list, None, [3.0, 0.25], (3, 0.25)),
        (lambda *outputs: outputs, [2], [0.5], (0, 0.5)),
        (as_list, ["2", "1"], None, (1, 1)),
        (as_dictionary, ["second", "first"], [2.0, 0.1], (0.1, 2)),
    ]
    for pack, layers, layer_weights, weights in cases:
        sr, hr = 50 * random(2, 3, 4, 5), 50 * random(2, 3, 4, 5, seed=1)
        a, b = (
            ((x.numpy() - 10) / 30 - MEAN[:, None, None]) / STD[:, None, None] for x in (sr, hr)
        )
        for distance, error in (("l1", np.abs), ("l2", np.square)):
            term = Perceptual(
                extractor=Outputs(pack),
                layers=layers,
                layer_weights=layer_weights,
                distance=distance,
                low=10,
                high=40,
            ).double()
            expected = weights[0] * error(a - b).mean() + weights[1] * error(a**2 - b**2).mean()
            # mean and std are float32
            assert value(term, sr, hr).item() == pytest.approx(expected, rel=1e-5)


def test_sees_physical_units():
    sr, hr = random(1, 3, 4, 4), random(1, 3, 4, 4, seed=1)
    term = Perceptual(extractor=nn.Identity(), **PLAIN)
    got = value(term, sr, hr, denormalise=lambda image: 500 * image, data_range=1000.0)
    assert got.item() == pytest.approx(0.5 * (sr - hr).abs().mean().item())


def test_several_lists_of_bands_are_averaged():
    sr, hr = random(2, 4, 6, 6), random(2, 4, 6, 6, seed=1)
    whole, single = Perceptual(extractor=filters()).double(), []
    for chosen in ([2, 1, 0], [3, 1, 0], [0, 0, 0]):
        single.append(value(whole, sr[:, chosen], hr[:, chosen]))
    together = Perceptual(extractor=filters(), channels=[[3, 2, 1], [4, 2, 1], [1]]).double()
    torch.testing.assert_close(value(together, sr, hr), torch.stack(single).mean())


def test_extractor_of_volumes_takes_volumes():
    sr, hr = random(1, 1, 4, 5, 6), random(1, 1, 4, 5, 6, seed=1)
    extractor = filters(1, dims=3)
    term = Perceptual(extractor=extractor, in_channels=1, spatial_dims=3, **PLAIN).double()
    with torch.no_grad():
        expected = (extractor(sr) - extractor(hr)).abs().mean()
    torch.testing.assert_close(value(term, sr, hr), expected)
    message = "takes images of 3 spatial axes, and these have the shape"
    with pytest.raises(ValueError, match=message):
        value(term, random(1, 1, 5, 6), random(1, 1, 5, 6))


@pytest.mark.parametrize(
    ("distance", "size"), [("l1", (1, 3, 5, 6)), ("l2", (1, 1, 3, 4, 5))], ids=str
)
def test_gradient_is_the_derivative(distance, size):
    dims = len(size) - 2
    given = {"in_channels": size[1], "spatial_dims": dims, "distance": distance, **PLAIN}
    term = Perceptual(extractor=filters(size[1], dims), **given)
    assert_gradient_is_derivative(term.double(), *size)


def test_finite_at_extremes():
    assert_finite_at_extremes(Perceptual(extractor=filters()), 3, 5, 6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_reach_sr_alone_and_the_value_has_its_type(dtype):
    sr, hr = (random(1, 3, 4, 4, seed=seed).to(dtype).requires_grad_() for seed in (0, 1))
    result = Perceptual(extractor=filters())(sr, hr, context())
    result.backward()
    assert result.dtype == dtype
    assert sr.grad.any()
    assert hr.grad is None


def test_extractor_is_frozen_and_in_no_checkpoint():
    term = Perceptual(extractor=nn.Sequential(filters(), nn.Dropout(0.5)))
    assert not term.state_dict()
    assert not list(term.parameters())
    sr, hr = random(1, 3, 4, 4), random(1, 3, 4, 4, seed=1)
    assert value(term.train(), sr, hr) == value(term, sr, hr)


def test_arguments_that_do_not_fit_are_refused():
    cases = [
        ({"distance": "l3"}, "distance is 'l3'; it must be one of l1, l2."),
        ({"layers": []}, "layers is empty; name at least one output of the extractor, or null"),
        ({"layers": ["a", "b"], "layer_weights": [1.0]}, "2 layers have 1 layer_weights; give"),
        ({"in_channels": 4}, "mean has 3 values for 4 channels; give one each, or null."),
        ({"std": [1.0, 2.0]}, "std has 2 values for 3 channels; give one each, or null."),
    ]
    for changed, message in cases:
        with pytest.raises(ValueError, match=re.escape(message)):
            Perceptual(extractor=nn.Identity(), **changed)


def test_layers_that_the_extractor_lacks_are_refused():
    cases = [
        (as_list, {"layers": [3]}, "the extractor has no output '3'; set layers to some of 1, 2."),
        (as_dictionary, {"layers": ["third"]}, "no output 'third'; set layers to some of first, "),
        (lambda first, second: first[..., :0], {}, "the extractor's output 1 is empty; use larger"),
        (as_list, {"layer_weights": [1.0] * 3}, "has 2 outputs for 3 layer_weights; set layers."),
    ]
    for pack, changed, message in cases:
        image = random(1, 3, 4, 4)
        with pytest.raises(ValueError, match=re.escape(message)):
            value(Perceptual(extractor=Outputs(pack), **changed), image, image)
