import pytest
import torch
from torch import nn
from torch.nn import functional as F

from srlab.nn.blocks import (
    DenseBlock,
    ResidualBlock,
    ResidualInResidualDenseBlock,
    batch_norm_block,
)

CONVOLVE = {2: F.conv2d, 3: F.conv3d}


def randomised(module):
    """Parameters and statistics with an effect, far from their initial values."""
    generator = torch.Generator().manual_seed(0)
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point():
            tensor.data.copy_(0.1 + 0.4 * torch.rand(tensor.shape, generator=generator))
    return module.double().eval()


def features(dims, channels=3):
    return torch.randn(2, channels, *(5, 4, 3)[:dims], dtype=torch.float64) - 0.5


def dense(x, weights, dims, residual_scale):
    """ESRGAN, fig. 4: x5 = conv(x, x1 … x4) and x + β·x5; weights and biases by layer."""
    seen = [x]
    for weight, bias in zip(weights[::2], weights[1::2], strict=True):
        seen.append(CONVOLVE[dims](torch.cat(seen, 1), weight, bias, padding=1))
        if len(seen) < 6:
            seen[-1] = torch.where(seen[-1] > 0, seen[-1], 0.2 * seen[-1])
    return x + residual_scale * seen[-1]


def test_residual_block_adds_what_its_layers_say():
    layer, x = nn.Conv2d(3, 3, 1), torch.randn(2, 3, 5, 4)
    torch.testing.assert_close(ResidualBlock(layer)(x), x + layer(x))
    torch.testing.assert_close(ResidualBlock(layer, residual_scale=0.1)(x), x + 0.1 * layer(x))


@pytest.mark.parametrize(("dims", "residual_scale"), [(2, 0.3), (3, 1.0)])
def test_batch_norm_block_follows_the_paper(dims, residual_scale):
    block, x = randomised(batch_norm_block(dims, 3, residual_scale=residual_scale)), features(dims)
    first, scale1, shift1, slope, second, scale2, shift2 = block.parameters()
    (mean1, var1), (mean2, var2) = (
        (norm.running_mean, norm.running_var) for norm in (block.body[1], block.body[4])
    )

    def normalise(values, *statistics):
        mean, var, scale, shift = (each.view(1, -1, *[1] * dims) for each in statistics)
        return (values - mean) / (var + 1e-5).sqrt() * scale + shift

    inner = normalise(CONVOLVE[dims](x, first, padding=1), mean1, var1, scale1, shift1)
    inner = torch.where(inner > 0, inner, slope * inner)
    branch = normalise(CONVOLVE[dims](inner, second, padding=1), mean2, var2, scale2, shift2)
    torch.testing.assert_close(block(x), x + residual_scale * branch)


@pytest.mark.parametrize(("dims", "residual_scale"), [(2, 0.7), (3, 0.2)])
def test_dense_block_follows_the_paper(dims, residual_scale):
    block = randomised(DenseBlock(dims, 3, growth_channels=2, residual_scale=residual_scale))
    x = features(dims)
    torch.testing.assert_close(block(x), dense(x, list(block.parameters()), dims, residual_scale))


def test_rrdb_adds_three_scaled_dense_blocks():
    block = randomised(ResidualInResidualDenseBlock(2, 3, growth_channels=2, residual_scale=0.7))
    x, parameters = features(2), list(block.parameters())
    inner = x
    for start in (0, 10, 20):
        inner = dense(inner, parameters[start : start + 10], 2, 0.7)
    torch.testing.assert_close(block(x), x + 0.7 * inner)


def test_dense_block_starts_at_a_tenth_of_he_initialisation():
    torch.manual_seed(0)
    block = DenseBlock(2, 64, growth_channels=32, residual_scale=0.2)
    for layer in block.convs:
        # He et al. 2015, eq. 10: a variance of 2 over the fan-in
        expected = 0.1 * (2 / (9 * layer.in_channels)) ** 0.5
        assert layer.weight.std().item() == pytest.approx(expected, rel=0.03)
        assert not layer.bias.any()
