import copy

import pytest
import torch

from srlab.generators import RCAB, RRDB, SRResNet
from srlab.nn.acceleration import accelerate

NETWORKS = {
    "srresnet": lambda dims: SRResNet(
        in_channels=2, out_channels=2, scale=2, spatial_dims=dims, channels=8, blocks=1
    ),
    "rcab": lambda dims: RCAB(
        in_channels=2,
        out_channels=2,
        scale=2,
        spatial_dims=dims,
        channels=8,
        blocks=1,
        groups=1,
        reduction=2,
    ),
    "rrdb": lambda dims: RRDB(
        in_channels=2, out_channels=2, scale=2, spatial_dims=dims, channels=8, blocks=1
    ),
}


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_layout_changes_no_number_and_no_name(make, dims):
    torch.manual_seed(0)
    network = make(dims).double().eval()
    other = copy.deepcopy(network)
    accelerate(other, channels_last=True, compiled=False)
    lr = torch.rand(2, 2, *[9] * dims, dtype=torch.float64)
    torch.testing.assert_close(other(lr), network(lr))
    assert other.state_dict().keys() == network.state_dict().keys()
    layout = torch.channels_last if dims == 2 else torch.channels_last_3d
    kernels = [p for p in other.parameters() if p.ndim == dims + 2]
    assert kernels
    assert all(kernel.is_contiguous(memory_format=layout) for kernel in kernels)


@pytest.mark.slow
def test_compiled_network_keeps_its_names_and_numbers():
    torch.manual_seed(0)
    network = NETWORKS["rrdb"](2).eval()
    other = copy.deepcopy(network)
    accelerate(other, channels_last=True, compiled=True)
    lr = torch.rand(2, 2, 9, 9)
    torch.testing.assert_close(other(lr), network(lr))
    assert other.state_dict().keys() == network.state_dict().keys()
    other(lr).mean().backward()
    assert all(parameter.grad is not None for parameter in other.parameters())
