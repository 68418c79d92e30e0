import copy

import pytest
import torch
from torch import nn

from srlab.nn.blocks import batch_norm_block
from srlab.nn.trunk import Trunk


def pair(*blocks):
    """Trunks of the same blocks without and with checkpointing."""
    return Trunk(*blocks, checkpointing=False), Trunk(*copy.deepcopy(blocks), checkpointing=True)


def after(trunk, x):
    """Result, gradients and state after a forward and a backward pass."""
    x = x.clone().requires_grad_()
    result = trunk(x)
    result.square().mean().backward()
    gradients = {f"{name}.grad": parameter.grad for name, parameter in trunk.named_parameters()}
    state = copy.deepcopy(trunk.state_dict())
    return {"result": result.detach(), "x.grad": x.grad, **gradients, **state}


def assert_same_bits(first, second):
    assert first.keys() == second.keys()
    assert [key for key in first if not torch.equal(first[key], second[key])] == []


def blocks():
    torch.manual_seed(0)
    plain = nn.Conv2d(3, 3, 3, padding=1)
    return batch_norm_block(2, 3, residual_scale=1.0), plain, nn.BatchNorm2d(3)


def calls(trunk):
    """The list of blocks that are computed from now on."""
    found = []
    for block in trunk:
        block.register_forward_pre_hook(lambda module, given: found.append(module))
    return found


@pytest.mark.parametrize("checkpointing", [False, True])
def test_blocks_are_applied_one_after_the_other(checkpointing):
    first, second, third = blocks()
    x = torch.randn(2, 3, 5, 4)
    trunk = Trunk(first, second, third, checkpointing=checkpointing).eval()
    assert torch.equal(trunk(x), third(second(first(x))))


def test_every_block_is_computed_again_in_the_backward_pass():
    for trunk, passes in zip(pair(*blocks()), (1, 2), strict=True):
        computed = calls(trunk)
        loss = trunk(torch.randn(2, 3, 5, 4)).square().mean()
        assert computed == list(trunk)
        loss.backward()
        assert [computed.count(block) for block in trunk] == [passes] * 3


def test_nothing_is_computed_twice_without_gradients():
    _, thrifty = pair(*blocks())
    computed = calls(thrifty)
    with torch.no_grad():
        thrifty(torch.randn(2, 3, 5, 4))
    assert computed == list(thrifty)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("momentum", [0.1, None], ids=["decaying", "cumulative"])
def test_running_statistics_count_a_batch_once(momentum, training):
    plain, thrifty = pair(*blocks())
    for trunk in (plain, thrifty):
        trunk.train(training)
        for norm in (module for module in trunk.modules() if isinstance(module, nn.BatchNorm2d)):
            norm.momentum = momentum
    for number in range(3):
        x = torch.randn(4, 3, 5, 4) + number
        assert_same_bits(after(plain, x), after(thrifty, x))
    assert plain[2].num_batches_tracked.item() == 3 * training
    norms = [module for module in thrifty.modules() if isinstance(module, nn.BatchNorm2d)]
    assert [(norm.momentum, norm.track_running_stats) for norm in norms] == [(momentum, True)] * 3


def test_buffers_stay_the_same_tensors():
    _, thrifty = pair(*blocks())
    before = dict(thrifty.named_buffers())
    thrifty(torch.randn(2, 3, 5, 4)).sum().backward()
    assert all(buffer is before[name] for name, buffer in thrifty.named_buffers())


def test_batch_norm_without_statistics_works():
    torch.manual_seed(0)
    plain, thrifty = pair(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3, track_running_stats=False))
    x = torch.randn(2, 3, 5, 4)
    assert_same_bits(after(plain, x), after(thrifty, x))


def test_random_layers_draw_the_same_numbers_again():
    plain, thrifty = pair(nn.Conv2d(3, 3, 1), nn.Dropout(0.5))
    x = torch.randn(2, 3, 5, 4)
    results = []
    for trunk in (plain, thrifty):
        torch.manual_seed(1)
        results.append(after(trunk, x))
    assert_same_bits(*results)


def test_only_the_inputs_of_blocks_are_kept():
    images = []
    for trunk in pair(*(batch_norm_block(2, 3, residual_scale=1.0) for _ in range(4))):
        kept = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda tensor, kept=kept: kept.append(tensor) or tensor, lambda tensor: tensor
        ):
            trunk(torch.randn(2, 3, 5, 4, requires_grad=True))
        images.append(len({tensor.data_ptr() for tensor in kept if tensor.shape == (2, 3, 5, 4)}))
    plain, thrifty = images
    assert thrifty == 4
    # each block keeps what enters its two convolutions, two norms and the activation
    assert plain >= 4 * 4
