import re

import pytest
import torch
from conftest import Outcome
from torch import nn

from srlab.discriminators import SRGANDiscriminator
from srlab.generators import RCAB, Interpolation, Residual
from srlab.report.summary import summarise, table


def test_arithmetic_is_that_of_the_formula():
    """A convolution of k taps from a to b channels takes a·b·k multiply-adds a pixel."""
    network = Residual(in_channels=3, out_channels=3, scale=2, channels=8, blocks=2)
    found = summarise(network, crop=(32, 48), scale=(2, 2), batch_size=3)
    at_lr = 9 * (3 * 8 + 2 * 2 * 8 * 8 + 8 * 8 + 8 * 4 * 8)
    assert found.multiply_adds == pytest.approx(at_lr / 4 + 9 * 8 * 3)
    assert found.parameters == sum(p.numel() for p in network.parameters())
    assert found.radius == (
        8,
        8,
    )  # five convolutions, one before the shuffle, and half of the last: 4 + 2 + 1 + 0.5


def test_memory_of_a_plain_network_is_that_of_its_tensors():
    class Doubling(nn.Module):
        scale = (1, 1)
        in_channels = 1

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1000))

        def forward(self, image):
            return image * self.weight[0]

    crop, floats = (100, 100), 4
    found = summarise(Doubling(), crop=crop, scale=(1, 1), batch_size=5)
    image = 5 * 100 * 100 * floats
    assert 2 * image + 1000 * floats <= found.peak_bytes <= 4 * image + 3 * 1000 * floats


def test_memory_grows_with_the_batch_and_shrinks_with_checkpointing():
    def peak(batch_size, checkpointing):
        network = Residual(
            in_channels=3,
            out_channels=3,
            scale=2,
            channels=8,
            blocks=12,
            checkpointing=checkpointing,
        )
        found = summarise(network, crop=(64, 64), scale=(2, 2), batch_size=batch_size)
        return found.peak_bytes

    assert 1.8 < peak(4, False) / peak(2, False) < 2.2
    assert peak(4, True) < 0.7 * peak(4, False)


def test_table_names_what_cannot_be_measured_by_a_radius():
    attention = RCAB(
        in_channels=1, out_channels=1, scale=2, channels=4, blocks=1, groups=1, reduction=2
    )
    crop = {"crop": (32, 32), "batch_size": 2}
    rows = [
        summarise(attention, scale=(2, 2), **crop),
        summarise(SRGANDiscriminator(in_channels=1, channels=2), scale=(1, 1), **crop),
        summarise(Interpolation(in_channels=1, scale=2), scale=(2, 2), **crop),
    ]
    lines = table(rows).splitlines()
    assert "everything" in lines[1]
    assert "–" in lines[2]
    assert re.match(r"Interpolation +0 ", lines[3])
    assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize(
    "given",
    [["spatial_dims=3", "scale=[1,2,2]", "data.crop_size=[16,32,32]"], ["discriminator=none"]],
)
def test_command_prints_and_leaves_nothing(command, tmp_path, capfd, given):
    small = ["generator=rrdb", "generator.channels=4", "generator.blocks=1", "loader.batch_size=2"]
    assert command("summary", *small, *given) == Outcome(0, "")
    assert "RRDB" in capfd.readouterr().out
    assert not list(tmp_path.iterdir())
