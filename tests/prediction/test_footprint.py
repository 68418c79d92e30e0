"""The tile that fits into the memory of a device."""

import pytest
import torch
from prediction_examples import resolver
from torch import nn

from srlab.generators import Residual
from srlab.prediction.grid import footprint


class Wide(nn.Module):
    """One input channel, `channels` in the middle, and an output twice as fine."""

    def __init__(self, channels, dims):
        super().__init__()
        conv = {2: nn.Conv2d, 3: nn.Conv3d}[dims]
        self.scale, self.in_channels, self.out_channels = (2,) * dims, 1, 1
        self.widen, self.narrow = conv(1, channels, 1), conv(channels, 1, 1)

    def forward(self, lr):
        sr = self.narrow(self.widen(lr))
        for axis in range(2, lr.ndim):
            sr = sr.repeat_interleave(2, dim=axis)
        return sr


@pytest.mark.parametrize("dims", [2, 3])
def test_the_largest_layer_counts(dims):
    model = resolver(Wide(40, dims))
    assert footprint.bytes_per_pixel(model) == footprint.HELD * 4 * 41


@pytest.mark.parametrize(
    ("channels", "dims", "side"), [(40, 2, 288), (4000, 2, 211), (40, 3, 128), (200, 3, 96)]
)
def test_a_tile_is_as_large_as_the_memory_allows(monkeypatch, channels, dims, side):
    model = resolver(Wide(channels, dims))
    found = footprint.fitting_side(model, torch.device("cpu"))
    assert found == side
    assert found**dims * footprint.bytes_per_pixel(model) <= footprint.BUDGET


def test_a_gpu_gives_a_share_of_what_is_free(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (80 * 2**30, 80 * 2**30))
    model = resolver(Wide(200, 3))
    side = footprint.fitting_side(model, torch.device("cuda"))
    assert side == 256
    small = lambda device: (2**28, 2**34)  # noqa: E731
    monkeypatch.setattr(torch.cuda, "mem_get_info", small)
    side = footprint.fitting_side(model, torch.device("cuda"))
    assert side**3 * footprint.bytes_per_pixel(model) <= 2**27 < (side + 1) ** 3 * 1206


def test_as_many_tiles_at_a_time_as_a_gpu_holds(monkeypatch):
    model = resolver(Wide(40, 2))
    for free, count in [(2**40, 16), (2 * 3 * 246 * 10_000, 3), (1, 1)]:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, free))
        assert footprint.fitting_batch(model, torch.device("cuda"), 10_000) == count
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2**40, 2**40))
    assert footprint.fitting_batch(model, torch.device("cuda"), 512**2) == 4
    assert footprint.fitting_batch(model, torch.device("cuda"), 2048**2) == 1
    assert footprint.fitting_batch(model, torch.device("cpu"), 1) == 1


def test_measuring_leaves_a_network_as_it_was():
    network = Residual(in_channels=2, out_channels=2, scale=2, channels=8, blocks=1)
    before = network(torch.ones(1, 2, 9, 9))
    footprint.bytes_per_pixel(resolver(network))
    assert not any(layer._forward_hooks for layer in network.modules())
    torch.testing.assert_close(network(torch.ones(1, 2, 9, 9)), before, rtol=0, atol=0)
