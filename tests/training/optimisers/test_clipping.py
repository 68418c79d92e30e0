import copy
import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_, get_total_norm

from srlab.training.optimisers.clipping import ClipAdaptive, ClipNorm, ClipValue

CLIPS = [ClipNorm(max_norm=0.5), ClipValue(max_value=0.1), ClipAdaptive(factor=0.01, eps=1e-3)]


def with_gradients(size=1.0):
    """Convolutions of 2D and 3D, a linear layer, a norm, a slope, and one without a gradient."""
    generator = torch.Generator().manual_seed(0)
    layers = [
        nn.Conv2d(3, 4, 3),
        nn.Conv3d(2, 3, 3),
        nn.Linear(5, 6),
        nn.BatchNorm2d(4),
        nn.PReLU(),
    ]
    network = nn.ModuleList(layers)
    network.scalar = nn.Parameter(torch.tensor(2.0))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
            parameter.grad = size * torch.randn(parameter.shape, generator=generator)
        network[2].weight[1:3] = 0  # units that start at zero
        network[2].weight.grad[2:4] = 0
    network.resting = nn.Parameter(torch.ones(3))
    return network


def clipped(clip, network):
    parameters = [*network.parameters()]
    clip(parameters, get_total_norm([p.grad for p in parameters if p.grad is not None]))
    return gradients(network)


def gradients(network):
    """The gradients by name, of the parameters that have one."""
    named = network.named_parameters()
    return {name: p.grad.numpy().copy() for name, p in named if p.grad is not None}


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-6, atol=0, err_msg=name)


@pytest.mark.parametrize("max_norm", [0.1, 5.0, 1e3])
def test_norm_matches_torchs_own(max_norm):
    network, reference = with_gradients(), with_gradients()
    clip_grad_norm_(reference.parameters(), max_norm)
    assert_equal(clipped(ClipNorm(max_norm=max_norm), network), gradients(reference))


def test_norm_bounds_the_total_and_keeps_the_direction():
    before = np.concatenate([g.ravel() for g in gradients(with_gradients()).values()])
    found = clipped(ClipNorm(max_norm=0.1), with_gradients())
    after = np.concatenate([g.ravel() for g in found.values()])
    assert np.linalg.norm(after) == pytest.approx(0.1, rel=1e-5)
    assert before @ after == pytest.approx(np.linalg.norm(before) * 0.1, rel=1e-5)


@pytest.mark.parametrize("max_value", [0.01, 1e3])
def test_value_matches_torchs_own(max_value):
    network, reference = with_gradients(), with_gradients()
    clip_grad_value_(reference.parameters(), max_value)
    found = clipped(ClipValue(max_value=max_value), network)
    assert_equal(found, gradients(reference))
    assert max(np.abs(g).max() for g in found.values()) <= max_value


def agc(weight, gradient, factor, eps):
    """Brock et al. 2021, eq. 3, a unit at a time."""
    units = range(len(weight)) if weight.ndim > 1 else [...]
    result = gradient.copy()
    for unit in units:
        bound = factor * max(np.sqrt(np.square(weight[unit]).sum()), eps)
        size = np.sqrt(np.square(gradient[unit]).sum())
        if size > bound:
            result[unit] = gradient[unit] * (bound / size)
    return result


@pytest.mark.parametrize(("factor", "eps"), [(0.01, 1e-3), (0.5, 3.0), (2.0, 1e-3)])
def test_adaptive_matches_the_paper_unit_by_unit(factor, eps):
    network = with_gradients()
    expected = gradients(network)
    for name, gradient in expected.items():
        weight = network.get_parameter(name).detach().numpy()
        expected[name] = agc(weight, gradient, factor, eps)
    assert_equal(clipped(ClipAdaptive(factor=factor, eps=eps), network), expected)


def test_adaptive_does_not_depend_on_the_size_of_what_it_clips():
    clip = ClipAdaptive(factor=1e-4, eps=1e-6)
    assert_equal(clipped(clip, with_gradients(1.0)), clipped(clip, with_gradients(64.0)))


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: type(clip).__name__)
def test_small_gradients_stay_as_they_are(clip):
    before = gradients(with_gradients(1e-7))
    after = clipped(clip, with_gradients(1e-7))
    for name, gradient in before.items():
        np.testing.assert_array_equal(after[name], gradient)


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: type(clip).__name__)
def test_weights_are_not_touched(clip):
    network = with_gradients()
    before = copy.deepcopy(network.state_dict())
    clipped(clip, network)
    torch.testing.assert_close(dict(network.state_dict()), dict(before), rtol=0, atol=0)


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: type(clip).__name__)
def test_host_never_waits_for_the_device(clip):
    """Tensors of the meta device have no values that could be looked at."""
    shapes = [(3, 2, 3, 3), (3,), ()]
    parameters = [nn.Parameter(torch.ones(shape, device="meta")) for shape in shapes]
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    clip(parameters, torch.ones((), device="meta"))
    assert [parameter.grad.shape for parameter in parameters] == shapes


def test_bounds_must_leave_something():
    cases = [
        (lambda value: ClipNorm(max_norm=value), "max_norm"),
        (lambda value: ClipValue(max_value=value), "max_value"),
        (lambda value: ClipAdaptive(factor=value, eps=1e-3), "factor"),
        (lambda value: ClipAdaptive(factor=0.01, eps=value), "eps"),
    ]
    for make, name in cases:
        for value in (0.0, -1.0, float("inf"), float("nan")):
            message = f"clipping.{name} is {value}; give a finite number above 0."
            with pytest.raises(ValueError, match=re.escape(message)):
                make(value)
