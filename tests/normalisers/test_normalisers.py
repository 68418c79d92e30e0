import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from srlab.mistakes import Mistake
from srlab.normalisers import Arcsinh, Identity, Log, MinMax, Reflectance

SIZES = {2: (4, 5), 3: (2, 3, 4)}
per_channel = pytest.mark.parametrize("channels", [1, 3, 7])
dimensions = pytest.mark.parametrize("dims", SIZES)


def along(values, image):
    """A number for each channel, for numpy's broadcasting."""
    return np.asarray(values, dtype=np.float64).reshape(1, -1, *[1] * (image.ndim - 2))


def build(kind, channels, seed=0):
    rng = np.random.default_rng(seed)
    low = rng.uniform(-1000, 1000, channels)
    return {
        "identity": lambda: Identity(),
        "minmax": lambda: MinMax(
            minimum=low.tolist(), maximum=(low + rng.uniform(1, 5000, channels)).tolist()
        ),
        "minmax of one range": lambda: MinMax(minimum=-3.0, maximum=7000.0),
        "reflectance": lambda: Reflectance(quantification=10_000.0, offset=-1000.0),
    }[kind]()


KINDS = ["identity", "minmax", "minmax of one range", "reflectance"]


@pytest.mark.parametrize("kind", KINDS)
@dimensions
@settings(max_examples=25, deadline=None)
@given(data=st.data(), channels=st.integers(1, 4), seed=st.integers(0, 99))
def test_inverse_restores_input(kind, dims, data, channels, seed):
    # far beyond any range, so that clamping would show
    values = st.floats(-65536, 65536, width=32)
    array = data.draw(hnp.arrays(np.float32, (2, channels, *SIZES[dims]), elements=values))
    image = torch.from_numpy(array)
    normaliser = build(kind, channels, seed)
    # Sums of offsets up to 7000 and values up to 65536 are off by a few float32 steps of these.
    for forward in (normaliser.lr, normaliser.hr):
        torch.testing.assert_close(normaliser.inverse(forward(image)), image, atol=0.05, rtol=1e-6)
    torch.testing.assert_close(
        normaliser.hr(normaliser.inverse(image)), image, atol=0.05, rtol=1e-4
    )


@pytest.mark.parametrize("kind", KINDS)
def test_inverse_restores_input_to_the_last_digits_in_range(kind):
    image = 7000 * torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    normaliser = build(kind, 3)
    torch.testing.assert_close(normaliser.inverse(normaliser.hr(image)), image, atol=4e-3, rtol=0)


@per_channel
@dimensions
def test_minmax_is_linear_from_minimum_to_maximum(dims, channels):
    rng = np.random.default_rng(1)
    low = rng.uniform(-5, 5, channels)
    high = low + rng.uniform(1, 9, channels)
    image = rng.uniform(-50, 50, (2, channels, *SIZES[dims]))
    expected = (image - along(low, image)) / along(high - low, image)
    normaliser = MinMax(minimum=low.tolist(), maximum=high.tolist())
    for forward in (normaliser.lr, normaliser.hr):
        result = forward(torch.from_numpy(image).float())
        np.testing.assert_allclose(result.numpy(), expected, atol=1e-5, rtol=1e-5)
    assert (expected < 0).any()
    assert (expected > 1).any()


def test_minmax_ends_are_zero_and_one():
    image = torch.tensor([[[[-20.0, 80.0, 30.0, 180.0, -120.0]]]])
    ends = [0.0, 1.0, 0.5, 2.0, -1.0]
    assert MinMax(minimum=-20, maximum=80).lr(image).flatten().tolist() == ends
    assert MinMax(minimum=-20, maximum=80).inverse(torch.tensor(ends).view(1, 1, 1, 5)).equal(image)


def test_reflectance_has_the_values_of_the_product_specification():
    cases = [
        (0.0, 10_000.0, 1.0),
        (0.0, 1234.0, 0.1234),
        (-1000.0, 1000.0, 0.0),
        (-1000.0, 16_000.0, 1.5),
        (-1000.0, 0.0, -0.1),
    ]
    for offset, stored, reflectance in cases:
        normaliser = Reflectance(quantification=10_000, offset=offset)
        image = torch.full((1, 4, 2, 2), stored)
        for forward in (normaliser.lr, normaliser.hr):
            torch.testing.assert_close(forward(image), torch.full_like(image, reflectance))
        torch.testing.assert_close(
            normaliser.inverse(torch.full_like(image, reflectance)), image, atol=1e-3, rtol=0
        )


def test_identity_changes_nothing():
    image = torch.tensor([[[[-1e30, torch.inf, 0.0, 1e-30]]]])
    for method in (Identity().lr, Identity().hr, Identity().inverse):
        assert torch.equal(method(image), image)


@pytest.mark.parametrize(
    ("normaliser", "statistics"),
    [
        (Identity(), {}),
        (MinMax(minimum=1, maximum=[2, 3]), {"minimum": [1.0], "maximum": [2.0, 3.0]}),
        (Reflectance(quantification=500, offset=-3), {"quantification": [500.0], "offset": [-3.0]}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_statistics_are_saved_with_the_weights(normaliser, statistics):
    assert {name: tensor.tolist() for name, tensor in normaliser.state_dict().items()} == statistics
    assert list(normaliser.parameters()) == []


def test_loaded_statistics_are_the_ones_used():
    normaliser = MinMax(minimum=0, maximum=1)
    normaliser.load_state_dict({"minimum": torch.tensor([10.0]), "maximum": torch.tensor([20.0])})
    assert normaliser.lr(torch.full((1, 1, 1, 1), 15.0)).item() == 0.5
    assert normaliser.inverse(torch.full((1, 1, 1, 1), 0.5)).item() == 15.0


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_pass_both_ways(kind):
    normaliser = build(kind, 2).double()
    image = torch.rand(1, 2, 2, 2, dtype=torch.float64).requires_grad_()
    for method in (normaliser.lr, normaliser.hr, normaliser.inverse):
        assert torch.autograd.gradcheck(method, image)


def test_minmax_needs_a_maximum_above_the_minimum():
    for minimum, maximum in [(1.0, 1.0), (2, 1), ([0.0, 5.0], [1.0, 5.0]), (0.0, float("nan"))]:
        message = f"minmax got minimum {minimum} and maximum {maximum}; the maximum must be larger."
        with pytest.raises(ValueError, match=re.escape(message)):
            MinMax(minimum=minimum, maximum=maximum)


@pytest.mark.parametrize("method", ["lr", "hr", "inverse"])
def test_minmax_needs_one_range_or_one_for_each_channel(method):
    normaliser = MinMax(minimum=[0, 0, 0], maximum=[1, 2, 3])
    message = "the normaliser has statistics for 3 channels and the image has 4; give one number,"
    with pytest.raises(ValueError, match=re.escape(message)):
        getattr(normaliser, method)(torch.zeros(1, 4, 2, 2))


def test_hr_without_the_guides_of_lr_takes_the_first_numbers():
    normaliser = MinMax(minimum=[0, 10, 20], maximum=[1, 30, 70])
    hr = torch.tensor([0.5, 20.0]).view(1, 2, 1, 1)
    torch.testing.assert_close(normaliser.hr(hr).flatten(), torch.tensor([0.5, 0.5]))
    torch.testing.assert_close(normaliser.inverse(normaliser.hr(hr)), hr)


@pytest.mark.parametrize("quantification", [0, -1.0])
def test_reflectance_needs_a_positive_quantification(quantification):
    message = (
        f"reflectance got quantification {quantification}; it must be positive, such as 10000."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        Reflectance(quantification=quantification)


COMPRESSING = {
    Arcsinh: lambda x, soft, top: np.arcsinh(x / soft) / np.arcsinh(top / soft),
    Log: lambda x, soft, top: np.sign(x) * np.log1p(np.abs(x) / soft) / np.log1p(top / soft),
}


@pytest.mark.parametrize("kind", COMPRESSING)
@dimensions
def test_compressing_normalisers_follow_their_formula_and_come_back(kind, dims):
    rng = np.random.default_rng(2)
    image = rng.standard_normal((2, 3, *SIZES[dims])) * 10.0 ** rng.uniform(-3, 5, SIZES[dims])
    image[0, 0] = 0
    soft, top = [0.1, 5.0, 300.0], [1000.0, 2000.0, 10_000.0]
    normaliser = kind(softening=soft, maximum=top)
    expected = COMPRESSING[kind](image, along(soft, image), along(top, image))
    values = torch.from_numpy(image).float()
    for forward in (normaliser.lr, normaliser.hr):
        np.testing.assert_allclose(forward(values).numpy(), expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(
        normaliser.inverse(normaliser.hr(values)), values, atol=1e-5, rtol=1e-5
    )
    ends = torch.tensor(top).view(1, 3, *[1] * dims)
    torch.testing.assert_close(normaliser.hr(ends), torch.ones_like(ends))


@pytest.mark.parametrize("kind", COMPRESSING)
def test_compressing_normalisers_need_positive_numbers(kind):
    for softening, maximum, name in ((0.0, 1.0, "softening"), (1.0, [1.0, -2.0], "maximum")):
        with pytest.raises(Mistake, match=f"{name} is .*; give a positive number"):
            kind(softening=softening, maximum=maximum)
