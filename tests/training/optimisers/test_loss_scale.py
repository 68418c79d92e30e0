import copy

import pytest
import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import nn

from srlab.training.guard import Guard, step_masked
from srlab.training.optimisers.loss_scale import LossScale

ALL = torch.ones(2, dtype=torch.bool)


def updated(network, *, factors, scaler=None, step=None, guard=None):
    """The weights after an update for each factor of the loss; with a scaler as in float16."""
    scale = LossScale(scaler)
    guard = guard or Guard(on_nonfinite="raise", max_skips=0)
    optimisers = [
        LightningOptimizer(torch.optim.Adam(part.parameters(), lr=0.1)) for part in network
    ]
    for number, factor in enumerate(factors):
        losses, norms = {}, {}
        guard.remember_buffers([])
        for name, part, optimiser in zip("gd", network, optimisers, strict=True):
            optimiser.zero_grad()
            loss = factor * part(torch.full((2, 3), number + 1.0)).square().mean()
            (loss if scaler is None else scaler.scale(loss)).backward()
            losses[name] = loss.detach()
        scale.unscale(optimiser.optimizer for optimiser in optimisers)
        for name, part in zip("gd", network, strict=True):
            gradients = [parameter.grad for parameter in part.parameters()]
            norms[f"norm/{name}"] = torch.nn.utils.get_total_norm(gradients)
        overflowed = scale.overflowed(losses.values(), norms.values())
        finite = guard.judge(number, losses | norms, ALL, overflowed)
        for optimiser in optimisers:
            (step or guard.step)(optimiser, finite)
        scale.update()
        guard.report()
    return [parameter.detach() for parameter in network.parameters()]


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.ModuleList([nn.Linear(3, 1), nn.Linear(3, 1)])


def test_scaled_updates_are_those_without_a_scale(network):
    """The scale doubles after every other update: a power of two changes no bit."""
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=2)
    expected = updated(copy.deepcopy(network), factors=[1, 2, 3, 4, 5])
    found = updated(network, factors=[1, 2, 3, 4, 5], scaler=scaler)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert scaler.get_scale() == 2.0**12


@pytest.mark.parametrize("step", [None, step_masked])
def test_overflow_halves_the_scale_and_is_nothing_to_report(network, step):
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**120)
    guard = Guard(on_nonfinite="raise", max_skips=0)
    before = [parameter.detach().clone() for parameter in network.parameters()]
    after = updated(network, factors=[1e12], scaler=scaler, step=step, guard=guard)
    assert scaler.get_scale() == 2.0**119
    assert guard.skipped == guard.in_row == 0
    torch.testing.assert_close(after, before, rtol=0, atol=0)


def test_only_what_a_smaller_scale_may_mend_is_an_overflow():
    cases = [
        (2.0, 1.0, torch.inf, True),
        (2.0, 1.0, torch.nan, True),
        (2.0, 1.0, 1.0, False),
        (2.0, torch.inf, torch.inf, False),
        (1.0, 1.0, torch.inf, False),  # no smaller scale would help
    ]
    for init_scale, loss, norm, overflowed in cases:
        scale = LossScale(torch.amp.GradScaler("cpu", init_scale=init_scale))
        norms = [torch.tensor(1.0), torch.tensor(norm)]
        assert scale.overflowed([torch.tensor(loss)], norms).item() == overflowed


def test_losses_that_are_not_finite_are_reported(network):
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    message = "after 1 updates g, d, norm/g, norm/d was not finite"
    with pytest.raises(FloatingPointError, match=message):
        updated(network, factors=[1, torch.nan], scaler=scaler)


def test_without_a_scaler_nothing_happens():
    scale = LossScale(None)
    scale.unscale([])
    scale.update()
    assert scale.overflowed([torch.tensor(1.0)], [torch.tensor(torch.inf)]) is None
