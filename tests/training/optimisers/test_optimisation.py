import copy
import io
import re
from functools import partial

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn
from torch.optim.lr_scheduler import ConstantLR

from srlab.cli.configuration import choices, composed
from srlab.generators import Interpolation, SRResNet
from srlab.training.optimisers.clipping import ClipNorm
from srlab.training.optimisers.optimisation import Training, parameter_groups

OPTIMISERS = choices("optimiser")
constant = partial(ConstantLR, factor=1.0)


def srresnet():
    torch.manual_seed(0)
    return SRResNet(in_channels=3, out_channels=3, scale=2, channels=4, blocks=1)


def names(network):
    """The groups of a network, by the names of their parameters."""
    name_of = {id(parameter): name for name, parameter in network.named_parameters()}
    return [
        {name_of[id(parameter)] for parameter in group["params"]}
        for group in parameter_groups(network)
    ]


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


@pytest.mark.parametrize(
    "norm", [nn.LayerNorm((4, 5)), nn.RMSNorm((4, 5))], ids=["layer norm", "RMS norm"]
)
def test_norms_over_several_axes_are_spared(norm):
    assert names(nn.Sequential(nn.Linear(5, 5, bias=False), norm)) == [
        {"0.weight"},
        {f"1.{name}" for name, _ in norm.named_parameters()},
    ]


def test_what_is_frozen_is_left_out():
    network = srresnet()
    network.head.requires_grad_(False)
    network.tail.bias.requires_grad_(False)
    found = set.union(*names(network))
    assert found == {
        name for name, _ in network.named_parameters() if not name.startswith("head")
    } - {"tail.bias"}


def test_shared_parameters_are_trained_once():
    network = nn.Sequential(nn.Linear(3, 3), nn.PReLU(), nn.Linear(3, 3))
    network[2].weight = network[0].weight
    parameters = [parameter for group in parameter_groups(network) for parameter in group["params"]]
    assert len(parameters) == len({id(parameter) for parameter in parameters}) == 4


@pytest.mark.parametrize(
    "network", [nn.Conv2d(1, 1, 3, bias=False), nn.PReLU()], ids=["decayed", "spared"]
)
def test_one_kind_of_parameters_is_one_group(network):
    assert len(parameter_groups(network)) == 1


def test_step_without_a_gradient_moves_only_what_decays():
    network = srresnet()
    before = copy.deepcopy(network.state_dict())
    training = Training(
        optimiser=partial(torch.optim.AdamW, lr=0.1, weight_decay=0.5), scheduler=constant
    )
    optimiser, _ = training.build(network)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    for name, parameter in network.named_parameters():
        kept = 1 - 0.1 * 0.5 if parameter.ndim == 4 else 1
        torch.testing.assert_close(parameter.detach(), kept * before[name], rtol=1e-6, atol=0)


def test_scheduler_sets_the_rates_of_all_groups():
    training = Training(
        optimiser=partial(torch.optim.SGD, lr=0.3),
        scheduler=partial(ConstantLR, factor=0.5),
        clip=ClipNorm(max_norm=1.0),
    )
    optimiser, scheduler = training.build(srresnet())
    assert scheduler.optimizer is optimiser
    assert (
        scheduler.get_last_lr() == [group["lr"] for group in optimiser.param_groups] == [0.15, 0.15]
    )


@pytest.mark.parametrize("frozen", [True, False])
def test_nothing_to_train_is_an_error(frozen):
    network = srresnet().requires_grad_(False) if frozen else Interpolation(in_channels=3, scale=2)
    message = f"{type(network).__name__} has nothing to train; choose another network."
    with pytest.raises(ValueError, match=re.escape(message)):
        Training(optimiser=torch.optim.Adam, scheduler=constant).build(network)


def trained(network, optimiser, steps):
    for step in steps:
        for number, parameter in enumerate(network.parameters()):
            generator = torch.Generator().manual_seed(1000 * step + number)
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimiser.step()


@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("fused", [True, None])
def test_resumed_weights_are_those_of_the_uninterrupted_run(name, fused):
    node = OmegaConf.merge(composed(f"optimiser/{name}").optimiser, {"fused": fused})
    training = Training(optimiser=instantiate(node, _convert_="all"), scheduler=constant)
    whole = srresnet()
    trained(whole, training.build(whole)[0], range(6))
    network = srresnet()
    optimiser, _ = training.build(network)
    trained(network, optimiser, range(2))
    file = io.BytesIO()
    torch.save([network.state_dict(), optimiser.state_dict()], file)
    file.seek(0)
    states = torch.load(file, weights_only=True)
    network = srresnet()
    optimiser, _ = training.build(network)
    network.load_state_dict(states[0])
    optimiser.load_state_dict(states[1])
    trained(network, optimiser, range(2, 6))
    for one, other in zip(network.parameters(), whole.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_fused_is_the_same_step_to_rounding(name):
    found = []
    for fused in (True, False):
        network = srresnet()
        node = OmegaConf.merge(composed(f"optimiser/{name}").optimiser, {"fused": fused})
        trained(network, instantiate(node, _convert_="all")(parameter_groups(network)), range(4))
        found.append(network.state_dict())
    for weight, tensor in found[0].items():
        torch.testing.assert_close(tensor, found[1][weight], rtol=1e-5, atol=1e-7)
