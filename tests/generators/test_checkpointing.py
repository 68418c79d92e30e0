"""Checkpointing changes the memory that training takes, and nothing else."""

import networks
import pytest
import torch
from networks import inputs, that_take
from torch.nn import functional as F

from srlab.nn.trunk import Trunk


def trained(network, *, autocast):
    """Loss, gradients and state after one pass in training mode."""
    given = inputs(network, 7, 5)
    hr = torch.rand(2, 3, 14, 10, generator=torch.Generator().manual_seed(3))
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        loss = F.l1_loss(network.train()(*given).float(), hr)
    loss.backward()
    gradients = {f"{name}.grad": parameter.grad for name, parameter in network.named_parameters()}
    return {"loss": loss.detach(), **gradients, **network.state_dict()}


def differing(first, second):
    assert first.keys() == second.keys()
    return [key for key in first if not torch.equal(first[key], second[key])]


@pytest.mark.parametrize(
    ("name", "autocast"),
    [*((name, False) for name in that_take("checkpointing")), ("srresnet", True), ("rcab", True)],
)
def test_loss_gradients_and_statistics_are_the_same_bits(name, autocast):
    plain, thrifty = (networks.build(name, scale=2, checkpointing=value) for value in (False, True))
    for network, checkpointing in ((plain, False), (thrifty, True)):
        (trunk,) = (module for module in network.modules() if isinstance(module, Trunk))
        assert trunk.checkpointing == checkpointing
    assert differing(trained(plain, autocast=autocast), trained(thrifty, autocast=autocast)) == []
    # and once more, from the statistics and gradients of the first pass
    assert differing(trained(plain, autocast=autocast), trained(thrifty, autocast=autocast)) == []
