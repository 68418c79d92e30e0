import copy
import io
import re
from functools import cache, partial

import pytest
import torch
from hydra.utils import instantiate
from torch import nn
from torch.optim.lr_scheduler import ConstantLR

from srlab.cli.configuration import choices, composed
from srlab.generators import Interpolation, SRResNet
from srlab.training.optimisers.clipping import ClipNorm
from srlab.training.optimisers.optimisation import Optimisation, parameter_groups

OPTIMISERS = choices("optimiser")
constant = partial(ConstantLR, factor=1.0)


@cache
def node(name):
    return composed(f"optimiser/{name}").optimiser


def optimiser(name, *, fused):
    """What makes the optimiser of a YAML from groups of parameters."""
    return instantiate(node(name), fused=fused, _convert_="all")


def srresnet():
    torch.manual_seed(0)
    return SRResNet(in_channels=3, out_channels=3, scale=2, channels=4, blocks=1)


def names(network):
    """The groups of a network, by the names of their parameters."""
    name_of = {id(parameter): name for name, parameter in network.named_parameters()}
    groups = [group["params"] for group in parameter_groups(network)]
    return [{*map(name_of.get, map(id, parameters))} for parameters in groups]


def test_decay_applies_to_the_weights_of_layers_alone():
    decayed, spared = names(srresnet())
    assert decayed == {
        "head.0.weight",
        "trunk.0.body.0.weight",
        "trunk.0.body.3.weight",
        "trunk.1.weight",
        "upsampler.0.weight",
        "tail.weight",
    }
    assert spared == {
        "head.0.bias",
        "head.1.weight",  # PReLU
        "trunk.0.body.1.weight",  # batch norm
        "trunk.0.body.1.bias",
        "trunk.0.body.2.weight",  # PReLU
        "trunk.0.body.4.weight",  # batch norm
        "trunk.0.body.4.bias",
        "trunk.2.weight",  # batch norm
        "trunk.2.bias",
        "upsampler.0.bias",
        "upsampler.2.weight",  # PReLU
        "tail.bias",
    }


@pytest.mark.parametrize("norm", [nn.LayerNorm((4, 5)), nn.RMSNorm((4, 5))], ids=["layer", "RMS"])
def test_norms_over_several_axes_are_spared(norm):
    assert names(nn.Sequential(nn.Linear(5, 5, bias=False), norm)) == [
        {"0.weight"},
        {f"1.{name}" for name, _ in norm.named_parameters()},
    ]


def test_what_is_frozen_is_left_out():
    network = srresnet()
    network.head.requires_grad_(False)
    network.tail.bias.requires_grad_(False)
    trained = {name for name, _ in network.named_parameters() if not name.startswith("head")}
    assert set.union(*names(network)) == trained - {"tail.bias"}


def test_shared_parameters_are_trained_once():
    network = nn.Sequential(nn.Linear(3, 3), nn.PReLU(), nn.Linear(3, 3))
    network[2].weight = network[0].weight
    with_decay, without = (group["params"] for group in parameter_groups(network))
    assert (len(with_decay), len(without)) == (1, 3)


@pytest.mark.parametrize(
    "network", [nn.Conv2d(1, 1, 3, bias=False), nn.PReLU()], ids=["decayed", "spared"]
)
def test_one_kind_of_parameters_is_one_group(network):
    assert len(parameter_groups(network)) == 1


def test_step_without_a_gradient_moves_only_what_decays():
    network = srresnet()
    before = copy.deepcopy(network.state_dict())
    adamw = partial(torch.optim.AdamW, lr=0.1, weight_decay=0.5)
    optimiser, _ = Optimisation(optimiser=adamw, scheduler=constant).build(network)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    for name, parameter in network.named_parameters():
        kept = 1 - 0.1 * 0.5 * (parameter.ndim == 4)
        torch.testing.assert_close(parameter.detach(), kept * before[name], rtol=1e-6, atol=0)


def test_scheduler_sets_the_rates_of_all_groups():
    optimiser, scheduler = Optimisation(
        optimiser=partial(torch.optim.SGD, lr=0.3),
        scheduler=partial(ConstantLR, factor=0.5),
        clip=ClipNorm(max_norm=1.0),
    ).build(srresnet())
    assert scheduler.optimizer is optimiser
    rates = [group["lr"] for group in optimiser.param_groups]
    assert scheduler.get_last_lr() == rates == [0.15, 0.15]


@pytest.mark.parametrize(
    "network",
    [srresnet().requires_grad_(False), Interpolation(in_channels=3, scale=2)],
    ids=["frozen", "empty"],
)
def test_nothing_to_train_is_an_error(network):
    message = f"{type(network).__name__} has nothing to train; choose another network."
    with pytest.raises(ValueError, match=re.escape(message)):
        Optimisation(optimiser=torch.optim.Adam, scheduler=constant).build(network)


def trained(network, optimiser, steps):
    for step in steps:
        for number, parameter in enumerate(network.parameters()):
            generator = torch.Generator().manual_seed(1000 * step + number)
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimiser.step()


@pytest.mark.parametrize(
    ("name", "fused"), [*((name, True) for name in OPTIMISERS), ("adam", None)]
)
def test_resumed_weights_are_those_of_the_uninterrupted_run(name, fused):
    optimisation = Optimisation(optimiser=optimiser(name, fused=fused), scheduler=constant)
    whole = srresnet()
    trained(whole, optimisation.build(whole)[0], range(6))
    network = srresnet()
    first, _ = optimisation.build(network)
    trained(network, first, range(2))
    file = io.BytesIO()
    torch.save([network.state_dict(), first.state_dict()], file)
    file.seek(0)
    states = torch.load(file, weights_only=True)
    network = srresnet()
    second, _ = optimisation.build(network)
    network.load_state_dict(states[0])
    second.load_state_dict(states[1])
    trained(network, second, range(2, 6))
    for one, other in zip(network.parameters(), whole.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_fused_is_the_same_step_to_rounding(name):
    found = []
    for fused in (True, False):
        network = srresnet()
        made = optimiser(name, fused=fused)(parameter_groups(network))
        trained(network, made, range(4))
        found.append(network.state_dict())
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-7)
