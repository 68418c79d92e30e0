import copy
import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_, get_total_norm

from srlab.training.optimisers.clipping import ClipAdaptive, ClipNorm, ClipValue

CLIPS = [ClipNorm(max_norm=0.5), ClipValue(max_value=0.1), ClipAdaptive(factor=0.01, eps=1e-3)]


def with_gradients(size=1.0, device="cpu"):
    """Convolutions of 2D and 3D, a linear layer, a norm and a slope, and a parameter without a gradient."""
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
    return {
        name: None if p.grad is None else p.grad.numpy().copy()
        for name, p in network.named_parameters()
    }


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for name in one:
        if one[name] is None:
            assert other[name] is None
        else:
            np.testing.assert_allclose(one[name], other[name], rtol=1e-6, atol=0, err_msg=name)


@pytest.mark.parametrize("max_norm", [0.1, 5.0, 1e3])
def test_norm_matches_torchs_own(max_norm):
    network, reference = with_gradients(), with_gradients()
    clip_grad_norm_(reference.parameters(), max_norm)
    assert_equal(clipped(ClipNorm(max_norm=max_norm), network), gradients(reference))


@pytest.mark.parametrize("max_norm", [0.1, 5.0])
def test_norm_bounds_the_total_and_keeps_the_direction(max_norm):
    before = gradients(with_gradients())
    after = clipped(ClipNorm(max_norm=max_norm), with_gradients())
    one, other = (
        np.concatenate([g.ravel() for g in each.values() if g is not None])
        for each in (before, after)
    )
    assert np.linalg.norm(other) == pytest.approx(max_norm, rel=1e-5)
    assert one @ other == pytest.approx(np.linalg.norm(one) * np.linalg.norm(other), rel=1e-5)


@pytest.mark.parametrize("max_value", [0.01, 0.5, 1e3])
def test_value_matches_torchs_own(max_value):
    network, reference = with_gradients(), with_gradients()
    clip_grad_value_(reference.parameters(), max_value)
    found = clipped(ClipValue(max_value=max_value), network)
    assert_equal(found, gradients(reference))
    assert max(np.abs(g).max() for g in found.values() if g is not None) <= max_value


def agc(weight, gradient, factor, eps):
    """Brock et al. 2021, eq. 3, a unit at a time."""
    units = [...] if weight.ndim < 2 else range(len(weight))
    result = gradient.copy()
    for unit in units:
        bound = factor * max(np.sqrt(np.square(weight[unit]).sum()), eps)
        size = np.sqrt(np.square(gradient[unit]).sum())
        if size > bound:
            result[unit] = gradient[unit] * (bound / size)
    return result


@pytest.mark.parametrize("factor", [0.01, 0.5, 2.0])
@pytest.mark.parametrize("eps", [1e-3, 3.0])
def test_adaptive_matches_the_paper_unit_by_unit(factor, eps):
    network = with_gradients()
    expected = gradients(network)
    for name, parameter in network.named_parameters():
        if expected[name] is not None:
            expected[name] = agc(parameter.detach().numpy(), expected[name], factor, eps)
    assert_equal(clipped(ClipAdaptive(factor=factor, eps=eps), network), expected)


def test_adaptive_does_not_depend_on_the_size_of_what_it_clips():
    small, large = (
        clipped(ClipAdaptive(factor=1e-4, eps=1e-6), with_gradients(size)) for size in (1.0, 64.0)
    )
    assert_equal(small, large)


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: type(clip).__name__)
def test_small_gradients_stay_as_they_are(clip):
    before = gradients(with_gradients(1e-7))
    after = clipped(clip, with_gradients(1e-7))
    assert all(before[name] is None or np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: type(clip).__name__)
def test_weights_are_not_touched(clip):
    network = with_gradients()
    before = copy.deepcopy(network.state_dict())
    clipped(clip, network)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: type(clip).__name__)
def test_host_never_waits_for_the_device(clip):
    """Tensors of the meta device have no values that could be looked at."""
    parameters = [
        nn.Parameter(torch.ones(shape, device="meta")) for shape in ((3, 2, 3, 3), (3,), ())
    ]
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    clip(parameters, torch.ones((), device="meta"))
    assert [parameter.grad.shape for parameter in parameters] == [(3, 2, 3, 3), (3,), ()]


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda value: ClipNorm(max_norm=value), "max_norm"),
        (lambda value: ClipValue(max_value=value), "max_value"),
        (lambda value: ClipAdaptive(factor=value, eps=1e-3), "factor"),
        (lambda value: ClipAdaptive(factor=0.01, eps=value), "eps"),
    ],
)
@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_bounds_must_leave_something(make, name, value):
    with pytest.raises(
        ValueError,
        match=re.escape(f"clipping.{name} is {value}; it must be a finite number above 0."),
    ):
        make(value)
