import pytest
import torch
from torch import nn
from torch.nn import functional as F

from srlab.nn.blocks import DenseBlock, ResidualBlock, ResidualInResidualDenseBlock

CONVOLVE = {2: F.conv2d, 3: F.conv3d}


def randomised(module):
    """Parameters and statistics far from their initial values, so that none of them can be ignored unnoticed."""
    generator = torch.Generator().manual_seed(0)
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point():
            tensor.data.copy_(0.1 + 0.4 * torch.rand(tensor.shape, generator=generator))
    return module.double().eval()


def features(dims, channels=3):
    return torch.randn(2, channels, *(5, 4, 3)[:dims], dtype=torch.float64) - 0.5


def dense(x, weights, dims, residual_scale):
    """ESRGAN, fig. 4: x5 = conv(x, x1 … x4) and x + β·x5; weights and biases in the order of the layers."""
    seen = [x]
    for weight, bias in zip(weights[::2], weights[1::2], strict=True):
        seen.append(CONVOLVE[dims](torch.cat(seen, 1), weight, bias, padding=1))
        if len(seen) < 6:
            seen[-1] = torch.where(seen[-1] > 0, seen[-1], 0.2 * seen[-1])
    return x + residual_scale * seen[-1]


@pytest.mark.parametrize("residual_scale", [1.0, 0.3])
@pytest.mark.parametrize("dims", [2, 3])
def test_residual_block_follows_the_paper(dims, residual_scale):
    block, x = randomised(ResidualBlock(dims, 3, residual_scale=residual_scale)), features(dims)
    first, scale1, shift1, slope, second, scale2, shift2 = block.parameters()
    (mean1, var1), (mean2, var2) = (
        (norm.running_mean, norm.running_var)
        for norm in block.modules()
        if isinstance(norm, nn.BatchNorm2d | nn.BatchNorm3d)
    )

    def normalise(values, mean, var, scale, shift):
        mean, var, scale, shift = (
            statistic.view(1, -1, *[1] * dims) for statistic in (mean, var, scale, shift)
        )
        return (values - mean) / (var + 1e-5).sqrt() * scale + shift

    inner = normalise(CONVOLVE[dims](x, first, padding=1), mean1, var1, scale1, shift1)
    inner = torch.where(inner > 0, inner, slope * inner)
    branch = normalise(CONVOLVE[dims](inner, second, padding=1), mean2, var2, scale2, shift2)
    expected = x + residual_scale * branch
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("residual_scale", [0.2, 0.7])
def test_dense_block_follows_the_paper(dims, residual_scale):
    block = randomised(DenseBlock(dims, 3, growth_channels=2, residual_scale=residual_scale))
    x = features(dims)
    torch.testing.assert_close(block(x), dense(x, list(block.parameters()), dims, residual_scale))


@pytest.mark.parametrize("residual_scale", [0.2, 0.7])
def test_rrdb_adds_three_scaled_dense_blocks(residual_scale):
    block = randomised(
        ResidualInResidualDenseBlock(2, 3, growth_channels=2, residual_scale=residual_scale)
    )
    x, parameters = features(2), list(block.parameters())
    inner = x
    for start in (0, 10, 20):
        inner = dense(inner, parameters[start : start + 10], 2, residual_scale)
    torch.testing.assert_close(block(x), x + residual_scale * inner)


def test_dense_block_starts_at_a_tenth_of_he_initialisation():
    torch.manual_seed(0)
    block = DenseBlock(2, 64, growth_channels=32, residual_scale=0.2)
    for layer in block.convs:
        # He et al. 2015, eq. 10: a variance of 2 over the fan-in
        assert layer.weight.std().item() == pytest.approx(
            0.1 * (2 / (9 * layer.in_channels)) ** 0.5, rel=0.03
        )
        assert not layer.bias.any()
