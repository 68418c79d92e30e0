"""Checkpointing changes the memory that training takes, and nothing else."""

from contextlib import nullcontext

import networks
import pytest
import torch
from networks import inputs, that_take
from torch.nn import functional as F

from srlab.nn.trunk import Trunk

every = pytest.mark.parametrize("name", that_take("checkpointing"))


def trained(network, *, autocast):
    """Loss, gradients and state after one pass in training mode."""
    given = inputs(network, 7, 5)
    hr = torch.rand(2, 3, 14, 10, generator=torch.Generator().manual_seed(3))
    with torch.autocast("cpu", torch.bfloat16) if autocast else nullcontext():
        loss = F.l1_loss(network.train()(*given).float(), hr)
    loss.backward()
    gradients = {f"{name}.grad": parameter.grad for name, parameter in network.named_parameters()}
    return {"loss": loss.detach(), **gradients, **network.state_dict()}


def differing(first, second):
    assert first.keys() == second.keys()
    return [key for key in first if not torch.equal(first[key], second[key])]


def trunk(network):
    (found,) = (module for module in network.modules() if isinstance(module, Trunk))
    return found


@every
@pytest.mark.parametrize("autocast", [False, True], ids=["float32", "bfloat16"])
def test_loss_gradients_and_statistics_are_the_same_bits(name, autocast):
    plain, thrifty = (
        networks.build(name, scale=2, blocks=2, checkpointing=value) for value in (False, True)
    )
    assert trunk(thrifty).checkpointing
    assert not trunk(plain).checkpointing
    assert differing(trained(plain, autocast=autocast), trained(thrifty, autocast=autocast)) == []
    # and once more, from the statistics and gradients of the first pass
    assert differing(trained(plain, autocast=autocast), trained(thrifty, autocast=autocast)) == []


@every
def test_every_block_is_computed_again_in_the_backward_pass(name):
    for checkpointing, passes in ((False, 1), (True, 2)):
        network = networks.build(name, scale=2, blocks=2, checkpointing=checkpointing)
        calls, blocks = [], list(trunk(network))
        for block in blocks:
            block.register_forward_pre_hook(lambda module, given, calls=calls: calls.append(module))
        loss = network(*inputs(network, 7, 5)).square().mean()
        assert calls == blocks
        loss.backward()
        assert [calls.count(block) for block in blocks] == [passes] * len(blocks)


@every
def test_nothing_is_computed_twice_without_gradients(name):
    network = networks.build(name, scale=2, checkpointing=True).eval()
    calls = []
    trunk(network)[0].register_forward_pre_hook(lambda module, given: calls.append(module))
    with torch.no_grad():
        sr = network(*inputs(network, 7, 5))
    assert len(calls) == 1
    plain = networks.build(name, scale=2, checkpointing=False).eval()
    assert torch.equal(sr, plain(*inputs(network, 7, 5)))


@every
def test_weights_go_from_one_to_the_other(name):
    plain, thrifty = (networks.build(name, scale=2, checkpointing=value) for value in (False, True))
    thrifty.load_state_dict(plain.state_dict(), strict=True)
