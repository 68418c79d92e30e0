import re

import numpy as np
import pytest
import torch
from torch import nn

from srlab.mistakes import Mistake
from srlab.training.ema import EMA


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.PReLU())


def train_a_little(module, generator):
    """Move weights and running statistics, as an optimiser and a forward pass would."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += torch.randn(parameter.shape, generator=generator)
    module.train()(torch.randn(4, 2, 5, 5, generator=generator))


def state(module):
    return {name: tensor.double().numpy().copy() for name, tensor in module.state_dict().items()}


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.999])
def test_average_follows_the_recursion(decay):
    module, generator = network(), torch.Generator().manual_seed(1)
    ema = EMA(module, decay=decay)
    expected = state(module)
    for update in range(1, 13):
        train_a_little(module, generator)
        ema.update(module, 1)
        warmed = min(decay, (1 + update) / (10 + update))
        for name, now in state(module).items():
            expected[name] = warmed * expected[name] + (1 - warmed) * now
    assert ema.updates.item() == 12
    for name, average in ema.average.state_dict().items():
        if average.is_floating_point():
            np.testing.assert_allclose(
                average.numpy(), expected[name], rtol=1e-4, atol=1e-5, err_msg=name
            )


def test_batch_norm_statistics_are_averaged_and_its_count_is_copied():
    module, generator = network(), torch.Generator().manual_seed(1)
    ema = EMA(module, decay=0.5)
    for _ in range(3):
        train_a_little(module, generator)
    mean, variance = module[1].running_mean.clone(), module[1].running_var.clone()
    ema.update(module, 1)
    # the first decay is 2 / 11, and the statistics start at 0 and 1
    torch.testing.assert_close(ema.average[1].running_mean, 9 / 11 * mean)
    torch.testing.assert_close(ema.average[1].running_var, 2 / 11 + 9 / 11 * variance)
    assert ema.average[1].num_batches_tracked.item() == 3


def test_before_the_first_update_the_average_is_the_network():
    module = network()
    ema = EMA(module, decay=0.9)
    image = torch.rand(1, 2, 6, 6)
    assert torch.equal(ema.average(image), module.eval()(image))


def test_average_is_a_copy():
    module = network()
    before = state(module)
    ema = EMA(module, decay=0.9)
    train_a_little(module, torch.Generator().manual_seed(1))
    for name, tensor in state(ema.average).items():
        np.testing.assert_array_equal(tensor, before[name])
    trained = state(module)
    ema.update(module, 1)
    for name, tensor in state(module).items():
        np.testing.assert_array_equal(tensor, trained[name])


def test_average_of_a_constant_is_the_constant():
    module = network()
    ema = EMA(module, decay=0.99)
    for _ in range(20):
        ema.update(module, 1)
    for name, tensor in ema.average.state_dict().items():
        assert torch.equal(tensor, module.state_dict()[name])


def test_average_is_never_trained():
    module = network().train()
    ema = EMA(module, decay=0.9)
    assert module.training
    parent = nn.ModuleList([ema, module]).train()
    assert parent[1].training
    assert not any(part.training for part in ema.modules())
    assert ema.train() is ema
    assert not any(parameter.requires_grad for parameter in ema.parameters())
    running = ema.average[1].running_mean.clone()
    ema.average(torch.rand(4, 2, 5, 5) + 5)
    assert torch.equal(ema.average[1].running_mean, running)


def test_saved_average_goes_on_as_if_never_interrupted():
    module, generator = network(), torch.Generator().manual_seed(1)
    whole = EMA(module, decay=0.999)
    for _ in range(5):
        train_a_little(module, generator)
        whole.update(module, 1)
    resumed = EMA(network(seed=3), decay=0.999)
    resumed.load_state_dict(whole.state_dict())
    for _ in range(5):
        train_a_little(module, generator)
        whole.update(module, 1)
        resumed.update(module, 1)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], tensor), name


def test_update_keeps_no_graph():
    module = network()
    ema = EMA(module, decay=0.9)
    ema.update(module, 1)
    assert all(tensor.grad_fn is None for tensor in (*ema.parameters(), *ema.buffers()))


def test_decay_must_leave_room_for_news():
    for decay in [-0.1, 1.0, float("nan")]:
        message = f"ema.decay is {decay}; give a number from 0 to below 1, such as 0.999."
        with pytest.raises(Mistake, match=re.escape(message)):
            EMA(network(), decay=decay)


def test_until_its_start_the_average_is_the_network():
    module, generator = network(), torch.Generator().manual_seed(1)
    ema = EMA(module, decay=0.9, start_step=3)
    for step in range(1, 4):
        train_a_little(module, generator)
        ema.update(module, step)
        for name, now in module.state_dict().items():
            assert torch.equal(ema.average.state_dict()[name], now)
    before = state(ema.average)["0.weight"]
    train_a_little(module, generator)
    ema.update(module, 4)
    expected = 2 / 11 * before + 9 / 11 * state(module)["0.weight"]  # its own first update
    np.testing.assert_allclose(state(ema.average)["0.weight"], expected, rtol=1e-5, atol=1e-6)


def test_without_a_warmup_the_decay_counts_from_the_first_update():
    module, generator = network(), torch.Generator().manual_seed(1)
    ema = EMA(module, decay=0.9, warmup=False)
    before = state(module)["0.weight"]
    train_a_little(module, generator)
    ema.update(module, 1)
    expected = 0.9 * before + 0.1 * state(module)["0.weight"]
    np.testing.assert_allclose(state(ema.average)["0.weight"], expected, rtol=1e-5, atol=1e-6)


def test_average_stays_on_its_own_device_and_is_lent_to_another():
    module = network()
    ema = EMA(module, decay=0.9, device="cpu")
    parent = nn.ModuleList([module, ema]).to("meta")
    assert {tensor.device.type for tensor in parent[0].state_dict().values()} == {"meta"}
    assert {tensor.device.type for tensor in ema.average.state_dict().values()} == {"cpu"}
    assert ema.on(torch.device("cpu")) is ema.average
    lent = ema.on(torch.device("meta"))
    assert {tensor.device.type for tensor in lent.state_dict().values()} == {"meta"}
    assert {tensor.device.type for tensor in ema.average.state_dict().values()} == {"cpu"}


def test_without_a_device_it_moves_with_its_parent():
    parent = nn.ModuleList([EMA(network(), decay=0.9)]).to("meta")
    assert {tensor.device.type for tensor in parent.state_dict().values()} == {"meta"}


def test_negative_start_is_refused():
    message = "ema.start_step is -1; give a number of generator updates >= 0."
    with pytest.raises(Mistake, match=re.escape(message)):
        EMA(network(), decay=0.9, start_step=-1)
