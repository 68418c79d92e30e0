"""Blocks of layers, from which the generators' trunks are built."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from srlab.mistakes import Mistake
from srlab.nn.activation import PReLU
from srlab.nn.dims import adaptive_pool, batch_norm, conv


class ResidualBlock(nn.Module):
    """Layers in a row, whose output is scaled and added to their input (He et al. 2016, fig. 2)."""

    def __init__(self, *layers: nn.Module, residual_scale: float = 1.0) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        self.body = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        """``(B, C, *S)`` to the same shape."""
        result: Tensor = torch.add(features, self.body(features), alpha=self.residual_scale)
        return result


def batch_norm_block(spatial_dims: int, channels: int, *, residual_scale: float) -> ResidualBlock:
    """Build the residual block of SRGAN (Ledig et al. 2017, fig. 4)."""
    return ResidualBlock(
        conv(spatial_dims, channels, channels, 3, bias=False),
        batch_norm(spatial_dims, channels),
        PReLU(),
        conv(spatial_dims, channels, channels, 3, bias=False),
        batch_norm(spatial_dims, channels),
        residual_scale=residual_scale,
    )


def plain_block(spatial_dims: int, channels: int, *, residual_scale: float) -> ResidualBlock:
    """Build the residual block of EDSR, without normalisation (Lim et al. 2017, fig. 2c)."""
    return ResidualBlock(
        conv(spatial_dims, channels, channels, 3),
        nn.ReLU(),
        conv(spatial_dims, channels, channels, 3),
        residual_scale=residual_scale,
    )


def channel_attention_group(
    spatial_dims: int, channels: int, *, blocks: int, reduction: int, residual_scale: float
) -> ResidualBlock:
    """Build a residual group of RCAN: blocks and a convolution (Zhang et al. 2018, eq. 5).

    Each block ends in channel attention (eq. 13-14); `residual_scale` is that of the blocks.
    """
    inner = (
        ResidualBlock(
            conv(spatial_dims, channels, channels, 3),
            nn.ReLU(),
            conv(spatial_dims, channels, channels, 3),
            ChannelAttention(spatial_dims, channels, reduction=reduction),
            residual_scale=residual_scale,
        )
        for _ in range(blocks)
    )
    return ResidualBlock(*inner, conv(spatial_dims, channels, channels, 3))


class ChannelAttention(nn.Module):
    """A weight for each channel, from its average over the image (Zhang et al. 2018, eq. 10-12).

    The average over a tile differs from that over the image, so no overlap of tiles is exact.
    """

    def __init__(self, spatial_dims: int, channels: int, *, reduction: int) -> None:
        super().__init__()
        if channels % reduction:
            raise Mistake(f"channels ({channels}) must be a multiple of reduction ({reduction}).")
        self.gate = nn.Sequential(
            adaptive_pool(spatial_dims, 1),
            conv(spatial_dims, channels, channels // reduction, 1),
            nn.ReLU(),
            conv(spatial_dims, channels // reduction, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, features: Tensor) -> Tensor:
        """``(B, C, *S)`` to the same shape."""
        result: Tensor = features * self.gate(features)
        return result


class LargeKernelAttention(nn.Module):
    """Features multiplied by a convolution of large reach (Guo et al. 2022, eq. 1-2).

    A depthwise, a dilated depthwise and a pointwise convolution stand for one large kernel. The
    defaults reach 11 pixels, as a kernel of 23 would.
    """

    def __init__(
        self, spatial_dims: int, channels: int, *, kernel_size: int = 7, dilation: int = 3
    ) -> None:
        super().__init__()
        self.attention = nn.Sequential(
            conv(spatial_dims, channels, channels, 2 * dilation - 1, groups=channels),
            conv(spatial_dims, channels, channels, kernel_size, dilation=dilation, groups=channels),
            conv(spatial_dims, channels, channels, 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """``(B, C, *S)`` to the same shape."""
        result: Tensor = features * self.attention(features)
        return result


class LargeKernelBlock(nn.Module):
    """Large-kernel attention, then a feed-forward part, both residual (Guo et al. 2022, fig. 3).

    The normalisation layers of the original are left out, as EDSR does for super-resolution.
    """

    def __init__(
        self, spatial_dims: int, channels: int, *, expansion: int, residual_scale: float
    ) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        wide = channels * expansion
        self.attention = nn.Sequential(
            conv(spatial_dims, channels, channels, 1),
            nn.GELU(),
            LargeKernelAttention(spatial_dims, channels),
            conv(spatial_dims, channels, channels, 1),
        )
        self.feed_forward = nn.Sequential(
            conv(spatial_dims, channels, wide, 1),
            conv(spatial_dims, wide, wide, 3, groups=wide),
            nn.GELU(),
            conv(spatial_dims, wide, channels, 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """``(B, C, *S)`` to the same shape."""
        features = torch.add(features, self.attention(features), alpha=self.residual_scale)
        result: Tensor = torch.add(features, self.feed_forward(features), alpha=self.residual_scale)
        return result


class DenseBlock(nn.Module):
    """Five convolutions that each see all features before them (Wang et al. 2018, sec. 3.1).

    The output of the last is scaled and added to the block's input.
    """

    def __init__(
        self, spatial_dims: int, channels: int, *, growth_channels: int, residual_scale: float
    ) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        self.activation = nn.LeakyReLU(0.2)
        widths = [growth_channels] * 4 + [channels]
        self.convs = nn.ModuleList(
            conv(spatial_dims, channels + index * growth_channels, width, 3)
            for index, width in enumerate(widths)
        )
        for layer in self.convs:
            # a tenth of He's initialisation lets a deep trunk start near the identity
            weight, bias = layer.parameters()
            nn.init.kaiming_normal_(weight)
            weight.data.mul_(0.1)
            nn.init.zeros_(bias)

    def forward(self, features: Tensor) -> Tensor:
        """``(B, C, *S)`` to the same shape."""
        seen = features
        for layer in self.convs[:-1]:
            seen = torch.cat((seen, self.activation(layer(seen))), dim=1)
        result: Tensor = torch.add(features, self.convs[-1](seen), alpha=self.residual_scale)
        return result


class ResidualInResidualDenseBlock(nn.Module):
    """Three dense blocks in a row, scaled and added to the input (Wang et al. 2018, fig. 4)."""

    def __init__(
        self, spatial_dims: int, channels: int, *, growth_channels: int, residual_scale: float
    ) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        blocks = (
            DenseBlock(
                spatial_dims,
                channels,
                growth_channels=growth_channels,
                residual_scale=residual_scale,
            )
            for _ in range(3)
        )
        self.blocks = nn.Sequential(*blocks)

    def forward(self, features: Tensor) -> Tensor:
        """``(B, C, *S)`` to the same shape."""
        result: Tensor = torch.add(features, self.blocks(features), alpha=self.residual_scale)
        return result
