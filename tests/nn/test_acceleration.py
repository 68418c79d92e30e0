import copy
import shutil

import pytest
import torch

from srlab.generators import RCAB
from srlab.nn.acceleration import accelerate


def network(dims):
    torch.manual_seed(0)
    sizes = {"channels": 4, "blocks": 1, "groups": 1, "reduction": 2}
    return RCAB(in_channels=2, out_channels=2, scale=2, spatial_dims=dims, **sizes).eval()


@pytest.mark.parametrize(("dims", "layout"), [(2, "channels_last"), (3, "channels_last_3d")])
def test_layout_changes_no_number_and_no_name(dims, layout):
    plain = network(dims).double()
    other = copy.deepcopy(plain)
    accelerate(other, channels_last=True, compiled=False)
    lr = torch.rand(2, 2, *[5] * dims, dtype=torch.float64)
    torch.testing.assert_close(other(lr), plain(lr))
    assert other.state_dict().keys() == plain.state_dict().keys()
    kernels = [parameter for parameter in other.parameters() if parameter.ndim == dims + 2]
    assert kernels
    layout = getattr(torch, layout)
    assert all(kernel.is_contiguous(memory_format=layout) for kernel in kernels)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="inductor needs a C++ compiler")
def test_compiled_network_keeps_its_names_and_numbers():
    plain = network(2)
    other = copy.deepcopy(plain)
    accelerate(other, channels_last=True, compiled=True)
    lr = torch.rand(2, 2, 9, 9)
    torch.testing.assert_close(other(lr), plain(lr))
    assert other.state_dict().keys() == plain.state_dict().keys()
    other(lr).mean().backward()
    assert all(parameter.grad is not None for parameter in other.parameters())
