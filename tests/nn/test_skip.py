import re

import pytest
import torch

from srlab.nn.dims import conv
from srlab.nn.skip import InputSkip


def input_skip(skip, channels=(3, 3)):
    tail = conv(2, 4, channels[1], 3)
    return InputSkip(skip, tail=tail, scale=(2, 2), channels=channels), tail


def test_without_skip_the_residual_passes_and_the_tail_stays():
    torch.manual_seed(0)
    skip, tail = input_skip("none")
    residual = torch.randn(1, 3, 8, 8)
    assert torch.equal(skip(residual, torch.randn(1, 3, 4, 4)), residual)
    assert all(parameter.abs().max() > 0 for parameter in tail.parameters())


def test_cubic_skip_adds_the_enlarged_input_and_silences_the_tail():
    skip, tail = input_skip("cubic")
    residual = torch.randn(1, 3, 8, 8)
    constant = torch.full((1, 3, 4, 4), 0.25)
    torch.testing.assert_close(skip(residual, constant), residual + 0.25)
    assert all(torch.equal(parameter, torch.zeros_like(parameter)) for parameter in tail.parameters())


def test_skip_has_nothing_to_learn_or_store():
    assert not input_skip("cubic")[0].state_dict()


@pytest.mark.parametrize("skip", ["bicubic", "", None, True])
def test_unknown_skip_is_refused(skip):
    with pytest.raises(ValueError, match=re.escape(f"skip is {skip!r}; it must be 'none' or 'cubic'.")):
        input_skip(skip)


def test_cubic_skip_needs_as_many_channels_out_as_in():
    with pytest.raises(ValueError, match=re.escape("there are 4 input and 3 output channels; use skip='none'.")):
        input_skip("cubic", channels=(4, 3))
    input_skip("none", channels=(4, 3))
