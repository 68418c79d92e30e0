"""Blocks that several networks share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from srlab.mistakes import Mistake
from srlab.nn.activation import PReLU
from srlab.nn.dims import adaptive_pool, batch_norm, conv


class ResidualBlock(nn.Module):
    """Convolution, batch norm, PReLU, convolution, batch norm, added to the input (Ledig et al. 2017, fig. 4)."""

    def __init__(self, spatial_dims: int, channels: int, *, residual_scale: float) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        self.body = nn.Sequential(
            conv(spatial_dims, channels, channels, 3, bias=False),
            batch_norm(spatial_dims, channels),
            PReLU(),
            conv(spatial_dims, channels, channels, 3, bias=False),
            batch_norm(spatial_dims, channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """``(B, C, *S)`` to the same shape."""
        result: Tensor = torch.add(features, self.body(features), alpha=self.residual_scale)
        return result


class PlainResidualBlock(nn.Module):
    """Convolution, ReLU, convolution, scaled and added to the input (Lim et al. 2017, fig. 2c, sec. 3.3)."""

    def __init__(self, spatial_dims: int, channels: int, *, residual_scale: float) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        self.body = nn.Sequential(
            conv(spatial_dims, channels, channels, 3),
            nn.ReLU(),
            conv(spatial_dims, channels, channels, 3),
        )

    def forward(self, features: Tensor) -> Tensor:
        """``(B, C, *S)`` to the same shape."""
        result: Tensor = torch.add(features, self.body(features), alpha=self.residual_scale)
        return result


class ChannelAttention(nn.Module):
    """Weights channels by what the whole image says of them (Zhang et al. 2018, eq. 10-12): no tile sees that."""

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


class ResidualChannelAttentionBlock(nn.Module):
    """A residual block whose branch ends in channel attention (Zhang et al. 2018, eq. 13-14)."""

    def __init__(
        self, spatial_dims: int, channels: int, *, reduction: int, residual_scale: float
    ) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        self.body = nn.Sequential(
            conv(spatial_dims, channels, channels, 3),
            nn.ReLU(),
            conv(spatial_dims, channels, channels, 3),
            ChannelAttention(spatial_dims, channels, reduction=reduction),
        )

    def forward(self, features: Tensor) -> Tensor:
        """``(B, C, *S)`` to the same shape."""
        result: Tensor = torch.add(features, self.body(features), alpha=self.residual_scale)
        return result


class ResidualGroup(nn.Module):
    """Blocks and a convolution, added to the input (Zhang et al. 2018, eq. 5)."""

    def __init__(self, spatial_dims: int, channels: int, blocks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.body = nn.Sequential(*blocks, conv(spatial_dims, channels, channels, 3))

    def forward(self, features: Tensor) -> Tensor:
        """``(B, C, *S)`` to the same shape."""
        result: Tensor = features + self.body(features)
        return result


class LargeKernelAttention(nn.Module):
    """Features gated by a large neighbourhood (Guo et al. 2022, eq. 1-2).

    A kernel of ``(2·dilation - 1)·(kernel // dilation)`` or so is composed of a depthwise, a dilated depthwise and a
    pointwise convolution; the defaults reach 11 pixels, as a kernel of 23 would.
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
    """Large-kernel attention, then a convolutional feed-forward part, each scaled and added (Guo et al. 2022, fig. 3).

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
    """Five convolutions, each seeing all features before it, added to the input (Wang et al. 2018, sec. 3.1)."""

    def __init__(
        self, spatial_dims: int, channels: int, *, growth_channels: int, residual_scale: float
    ) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        convs = [
            conv(
                spatial_dims,
                channels + i * growth_channels,
                growth_channels if i < 4 else channels,
                3,
            )
            for i in range(5)
        ]
        for (
            layer
        ) in convs:  # a tenth of He's initialisation, so that a deep trunk starts near identity
            nn.init.kaiming_normal_(layer.weight)
            layer.weight.data.mul_(0.1)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        self.convs = nn.ModuleList(convs)
        self.activation = nn.LeakyReLU(0.2)

    def forward(self, features: Tensor) -> Tensor:
        """``(B, C, *S)`` to the same shape."""
        seen = features
        for layer in self.convs[:-1]:
            seen = torch.cat((seen, self.activation(layer(seen))), dim=1)
        result: Tensor = torch.add(features, self.convs[-1](seen), alpha=self.residual_scale)
        return result


class ResidualInResidualDenseBlock(nn.Module):
    """Three dense blocks in a row, added to the input (Wang et al. 2018, fig. 4)."""

    def __init__(
        self, spatial_dims: int, channels: int, *, growth_channels: int, residual_scale: float
    ) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        self.blocks = nn.Sequential(
            *(
                DenseBlock(
                    spatial_dims,
                    channels,
                    growth_channels=growth_channels,
                    residual_scale=residual_scale,
                )
                for _ in range(3)
            )
        )

    def forward(self, features: Tensor) -> Tensor:
        """``(B, C, *S)`` to the same shape."""
        result: Tensor = torch.add(features, self.blocks(features), alpha=self.residual_scale)
        return result
