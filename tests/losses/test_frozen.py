import copy
import io

import torch
from torch import nn

from srlab.losses.frozen import Frozen


def network():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))


def parent():
    return nn.Sequential(Frozen(network()), nn.Linear(2, 2))


def test_nothing_of_it_is_saved_trained_or_asked_for():
    whole = parent()
    assert whole.state_dict().keys() == {"1.weight", "1.bias"}
    assert len(list(whole.parameters())) == 2
    assert not list(whole[0].buffers())
    whole.load_state_dict(whole.state_dict(), strict=True)
    inside = whole.requires_grad_()[0].network
    assert not any(parameter.requires_grad for parameter in inside.parameters())


def test_evaluation_mode_survives_train():
    whole = parent().train()
    assert not any(module.training for module in whole[0].network.modules())
    image = torch.rand(2, 3, 5, 5)
    assert torch.equal(whole[0](image), whole[0](image))


def test_follows_its_parent_to_type_and_device():
    whole = parent().double()
    inside = whole[0].network.state_dict().values()
    assert {tensor.dtype for tensor in inside} == {torch.float64, torch.int64}
    inside = whole.to("meta")[0].network.state_dict().values()
    assert {tensor.device.type for tensor in inside} == {"meta"}


def test_images_are_cast_to_the_networks_type():
    frozen = Frozen(network())
    assert frozen(torch.rand(1, 3, 4, 4, dtype=torch.float64)).dtype == torch.float32
    assert Frozen(nn.Identity())(torch.rand(1, dtype=torch.float64)).dtype == torch.float64


def test_copies_and_pickles_are_whole():
    frozen, image = Frozen(network()), torch.rand(1, 3, 4, 4)
    stored = io.BytesIO()
    torch.save(frozen, stored)
    stored.seek(0)
    for other in (copy.deepcopy(frozen), torch.load(stored, weights_only=False)):
        assert other.network is not frozen.network
        assert torch.equal(other(image), frozen(image))
