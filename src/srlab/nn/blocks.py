"""Blocks of layers that the trunks of generators consist of."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from srlab.mistakes import Mistake
from srlab.nn.activation import PReLU
from srlab.nn.dims import adaptive_pool, batch_norm, conv


class ResidualBlock(nn.Module):
    """``x + residual_scale · layers(x)``, with layers in sequence (He et al. 2016, fig. 2)."""

    def __init__(self, *layers: nn.Module, residual_scale: float = 1.0) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        self.body = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        """Map features ``(B, C, *S)`` to the same shape."""
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
    """Build a residual group of RCAN (Zhang et al. 2018, eq. 5).

    It has `blocks` residual blocks and a convolution, with a skip connection around all of them.
    Each block ends in channel attention (eq. 13-14). The blocks are scaled by `residual_scale`, and
    the group is not.
    """
    inner = [
        ResidualBlock(
            conv(spatial_dims, channels, channels, 3),
            nn.ReLU(),
            conv(spatial_dims, channels, channels, 3),
            ChannelAttention(spatial_dims, channels, reduction=reduction),
            residual_scale=residual_scale,
        )
        for _ in range(blocks)
    ]
    last = conv(spatial_dims, channels, channels, 3)
    return ResidualBlock(*inner, last)


class ChannelAttention(nn.Module):
    """Features times a weight for each channel (Zhang et al. 2018, eq. 10-12).

    Two convolutions of kernel 1 compute the weights from the average of each channel over the
    image. They have ``channels / reduction`` channels between them. The average over a tile differs
    from the average over the image, so tiles never give exactly the result of the image.

    Raises a `Mistake` if `channels` is not a multiple of `reduction`.
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
        """Map features ``(B, C, *S)`` to the same shape."""
        result: Tensor = features * self.gate(features)
        return result


class LargeKernelAttention(nn.Module):
    """Features times the output of a large convolution (Guo et al. 2022, eq. 1-2).

    Three small convolutions replace the large one: a depthwise, a dilated depthwise and a pointwise
    one. With the defaults they reach 11 pixels, like a kernel of 23.
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
        """Map features ``(B, C, *S)`` to the same shape."""
        result: Tensor = features * self.attention(features)
        return result


class LargeKernelBlock(nn.Module):
    """Large-kernel attention and a feed-forward part, both residual (Guo et al. 2022, fig. 3).

    The feed-forward part has `expansion` times as many channels inside. The original's
    normalisation layers are left out, as in EDSR (Lim et al. 2017).
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
        """Map features ``(B, C, *S)`` to the same shape."""
        features = torch.add(features, self.attention(features), alpha=self.residual_scale)
        result: Tensor = torch.add(features, self.feed_forward(features), alpha=self.residual_scale)
        return result


class DenseBlock(nn.Module):
    """Five convolutions that each take all features before them (Wang et al. 2018, sec. 3.1).

    The first four add `growth_channels` features each. The output of the last one is multiplied by
    `residual_scale` and added to the input of the block.
    """

    def __init__(
        self, spatial_dims: int, channels: int, *, growth_channels: int, residual_scale: float
    ) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        self.activation = nn.LeakyReLU(0.2)
        self.convs = nn.ModuleList()
        out_widths = [growth_channels] * 4 + [channels]
        for index, out_width in enumerate(out_widths):
            in_width = channels + index * growth_channels
            self.convs.append(conv(spatial_dims, in_width, out_width, 3))

        # With a tenth of He's initialisation a deep trunk starts near the identity.
        for layer in self.convs:
            weight, bias = layer.parameters()
            nn.init.kaiming_normal_(weight)
            weight.data.mul_(0.1)
            nn.init.zeros_(bias)

    def forward(self, features: Tensor) -> Tensor:
        """Map features ``(B, C, *S)`` to the same shape."""
        collected = features
        for layer in self.convs[:-1]:
            added = self.activation(layer(collected))
            collected = torch.cat((collected, added), dim=1)
        residual = self.convs[-1](collected)
        result: Tensor = torch.add(features, residual, alpha=self.residual_scale)
        return result


class ResidualInResidualDenseBlock(nn.Module):
    """``x + residual_scale · blocks(x)``, with three dense blocks (Wang et al. 2018, fig. 4)."""

    def __init__(
        self, spatial_dims: int, channels: int, *, growth_channels: int, residual_scale: float
    ) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        blocks = [
            DenseBlock(
                spatial_dims,
                channels,
                growth_channels=growth_channels,
                residual_scale=residual_scale,
            )
            for _ in range(3)
        ]
        self.blocks = nn.Sequential(*blocks)

    def forward(self, features: Tensor) -> Tensor:
        """Map features ``(B, C, *S)`` to the same shape."""
        result: Tensor = torch.add(features, self.blocks(features), alpha=self.residual_scale)
        return result
