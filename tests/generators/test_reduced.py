import pytest
import torch
from torch.nn import functional as F

from srlab.generators import Interpolation, Reduced, receptive_field
from srlab.mistakes import Mistake


def larger(scale, dims=2):
    return Interpolation(in_channels=2, scale=scale, spatial_dims=dims, kind="nearest")


def test_output_is_reduced_as_torch_reduces_it():
    for scale, given in [(4, 2), (4, 3), (4, 1), (3, 2), (5, 3)]:
        lr = torch.rand(1, 2, 6, 5, dtype=torch.float64)
        repeated = F.interpolate(lr, scale_factor=scale)
        expected = F.interpolate(repeated, size=(6 * given, 5 * given), mode="bicubic")
        sr = Reduced(network=larger(scale), scale=given)(lr)
        torch.testing.assert_close(sr, expected, rtol=0, atol=1e-12)


def test_axes_are_reduced_each_by_its_factor():
    network = Reduced(network=larger((1, 4, 4), dims=3), scale=(1, 3, 4))
    assert network(torch.rand(1, 2, 3, 4, 5)).shape == (1, 2, 3, 12, 20)
    assert receptive_field(network) == (0, 1, 0)


def test_no_network_is_enlarged():
    with pytest.raises(Mistake, match=r"is for scale \(2, 2\), and scale is \(3, 3\)"):
        Reduced(network=larger(2), scale=3)
