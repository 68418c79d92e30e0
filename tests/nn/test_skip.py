import re

import pytest
import torch
from omegaconf import ListConfig
from torch.nn import functional as F

from srlab.nn.dims import conv
from srlab.nn.skip import InputSkip


def input_skip(skip, channels=(3, 3), numbers=None):
    tail = conv(2, 4, channels[1], 3)
    sizes = {
        "scale": (2, 2),
        "in_channels": channels[0],
        "out_channels": channels[1],
        "channels": numbers,
    }
    return InputSkip(skip, tail=tail, **sizes), tail


def test_without_skip_the_residual_passes_and_the_tail_stays():
    torch.manual_seed(0)
    skip, tail = input_skip("none")
    residual = torch.randn(1, 3, 8, 8)
    assert torch.equal(skip(residual, torch.randn(1, 3, 4, 4)), residual)
    assert all(parameter.abs().max() > 0 for parameter in tail.parameters())


@pytest.mark.parametrize("kind", ["nearest", "linear", "cubic"])
def test_skip_adds_the_enlarged_input_and_silences_the_tail(kind):
    skip, tail = input_skip(kind)
    residual = torch.randn(1, 3, 8, 8)
    constant = torch.full((1, 3, 4, 4), 0.25)
    torch.testing.assert_close(skip(residual, constant), residual + 0.25)
    assert all(
        torch.equal(parameter, torch.zeros_like(parameter)) for parameter in tail.parameters()
    )


@pytest.mark.parametrize("numbers", [[2, 3], (5, 1), ListConfig([4, 4])], ids=str)
def test_named_channels_are_added_in_their_order(numbers):
    skip, _ = input_skip("nearest", (5, 2), numbers)
    lr = torch.randn(2, 5, 3, 4)
    expected = torch.stack([lr[:, number - 1] for number in numbers], dim=1)
    expected = F.interpolate(expected, scale_factor=2.0, mode="nearest")
    torch.testing.assert_close(skip(torch.zeros(2, 2, 6, 8), lr), expected, atol=0, rtol=0)


def test_all_channels_are_added_in_their_order_by_default():
    lr = torch.randn(2, 4, 3, 4)
    added = input_skip("nearest", (4, 4))[0](torch.zeros(2, 4, 6, 8), lr)
    assert torch.equal(added, F.interpolate(lr, scale_factor=2.0, mode="nearest"))


def test_skip_has_nothing_to_learn_or_store():
    assert not input_skip("cubic")[0].state_dict()


@pytest.mark.parametrize("skip", ["bicubic", "", None, True])
def test_unknown_skip_is_refused(skip):
    with pytest.raises(
        ValueError,
        match=re.escape(f"skip is {skip!r}; it must be one of none, nearest, linear, cubic."),
    ):
        input_skip(skip)


@pytest.mark.parametrize(
    ("numbers", "shown"),
    [
        (None, [1, 2, 3, 4]),
        ([1], [1]),
        ([1, 2, 3, 4], [1, 2, 3, 4]),
        ([0, 1, 2], [0, 1, 2]),
        ((3, 4, 5), [3, 4, 5]),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["nearest", "linear", "cubic"])
def test_skip_needs_one_input_channel_for_each_output_channel(kind, numbers, shown):
    message = (
        f"skip={kind!r} adds input channels {shown} of 4 to 3 output channels; name one input channel for each output "
        "channel by skip_channels=, or use skip=none."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        input_skip(kind, (4, 3), numbers)


def test_channels_may_differ_without_skip():
    residual = torch.randn(1, 3, 8, 8)
    assert torch.equal(input_skip("none", (4, 3))[0](residual, torch.randn(1, 4, 4, 4)), residual)
