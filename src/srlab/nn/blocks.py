"""Blocks that several networks share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from srlab.nn.dims import batch_norm, conv


class ResidualBlock(nn.Module):
    """Convolution, batch norm, PReLU, convolution, batch norm, added to the input (Ledig et al. 2017, fig. 4)."""

    def __init__(self, spatial_dims: int, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv(spatial_dims, channels, channels, 3, bias=False),
            batch_norm(spatial_dims, channels),
            nn.PReLU(),
            conv(spatial_dims, channels, channels, 3, bias=False),
            batch_norm(spatial_dims, channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """``(B, C, *S)`` to the same shape."""
        result: Tensor = features + self.body(features)
        return result


class DenseBlock(nn.Module):
    """Five convolutions, each seeing all features before it, added to the input (Wang et al. 2018, sec. 3.1)."""

    def __init__(self, spatial_dims: int, channels: int, *, growth_channels: int, residual_scale: float) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        convs = [
            conv(spatial_dims, channels + i * growth_channels, growth_channels if i < 4 else channels, 3)
            for i in range(5)
        ]
        for layer in convs:  # a tenth of He's initialisation, so that a deep trunk starts near identity
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
        result: Tensor = features + self.residual_scale * self.convs[-1](seen)
        return result


class ResidualInResidualDenseBlock(nn.Module):
    """Three dense blocks in a row, added to the input (Wang et al. 2018, fig. 4)."""

    def __init__(self, spatial_dims: int, channels: int, *, growth_channels: int, residual_scale: float) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        self.blocks = nn.Sequential(
            *(
                DenseBlock(spatial_dims, channels, growth_channels=growth_channels, residual_scale=residual_scale)
                for _ in range(3)
            )
        )

    def forward(self, features: Tensor) -> Tensor:
        """``(B, C, *S)`` to the same shape."""
        result: Tensor = features + self.residual_scale * self.blocks(features)
        return result
