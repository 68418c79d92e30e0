import re

import pytest
import torch
from omegaconf import ListConfig
from torch.nn import functional as F

from srlab.nn.dims import conv
from srlab.nn.skip import InputSkip, check_whole_skip


def input_skip(skip, channels=(3, 3), numbers=None):
    tail = conv(2, 4, channels[1], 3)
    return InputSkip(skip, tail, (2, 2), in_channels=channels[0], channels=numbers), tail


def test_without_skip_the_residual_passes_and_the_tail_stays():
    torch.manual_seed(0)
    skip, tail = input_skip("none", (4, 3))  # whose channels may differ
    residual = torch.randn(1, 3, 8, 8)
    assert torch.equal(skip(residual, torch.randn(1, 4, 4, 4)), residual)
    assert all(parameter.abs().max() > 0 for parameter in tail.parameters())


@pytest.mark.parametrize("kind", ["nearest", "linear", "cubic"])
def test_skip_adds_the_enlarged_input_and_silences_the_tail(kind):
    skip, tail = input_skip(kind)
    residual = torch.randn(1, 3, 8, 8)
    constant = torch.full((1, 3, 4, 4), 0.25)
    torch.testing.assert_close(skip(residual, constant), residual + 0.25)
    assert not any(parameter.any() for parameter in tail.parameters())
    assert not skip.state_dict()


def test_named_channels_are_added_in_their_order():
    for numbers in [[2, 3], (5, 1), ListConfig([4, 4])]:
        skip, _ = input_skip("nearest", (5, 2), numbers)
        lr = torch.randn(2, 5, 3, 4)
        expected = torch.stack([lr[:, number - 1] for number in numbers], dim=1)
        expected = F.interpolate(expected, scale_factor=2.0, mode="nearest")
        torch.testing.assert_close(skip(torch.zeros(2, 2, 6, 8), lr), expected, atol=0, rtol=0)


def test_all_channels_are_added_in_their_order_by_default():
    lr = torch.randn(2, 4, 3, 4)
    added = input_skip("nearest", (4, 4))[0](torch.zeros(2, 4, 6, 8), lr)
    assert torch.equal(added, F.interpolate(lr, scale_factor=2.0, mode="nearest"))


def test_unknown_skip_is_refused():
    for skip in ["bicubic", "", None, True]:
        message = f"skip is {skip!r}; it must be one of none, nearest, linear, cubic."
        with pytest.raises(ValueError, match=re.escape(message)):
            input_skip(skip)


def test_skip_needs_one_input_channel_for_each_output_channel():
    cases = [
        (None, [1, 2, 3, 4]),
        ([1], [1]),
        ([1, 2, 3, 4], [1, 2, 3, 4]),
        ([0, 1, 2], [0, 1, 2]),
        ((3, 4, 5), [3, 4, 5]),
    ]
    for numbers, shown in cases:
        message = (
            f"skip='cubic' adds input channels {shown} of 4 to 3 output channels; name one input "
            "channel for each output channel by skip_channels=, or use skip=none."
        )
        with pytest.raises(ValueError, match=re.escape(message)):
            input_skip("cubic", (4, 3), numbers)


def test_whole_skip_needs_as_many_channels_out_as_in():
    message = (
        "mine adds its input to its output, but there are 4 input and 3 output channels; choose "
        "another generator."
    )
    with pytest.raises(ValueError, match=message):
        check_whole_skip("linear", generator="mine", in_channels=4, out_channels=3)
    assert check_whole_skip("linear", generator="mine", in_channels=3, out_channels=3) == "linear"
