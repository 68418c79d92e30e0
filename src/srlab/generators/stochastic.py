"""A generator with a latent vector: many answers for one input."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from srlab.axes import check_counts, per_axis
from srlab.mistakes import Mistake
from srlab.nn.collapsing import Collapsed
from srlab.nn.dims import conv
from srlab.nn.shrinking import Spare, core_of
from srlab.nn.skip import InputSkip, Skip
from srlab.nn.trunk import Trunk
from srlab.nn.upsample import Upsampler, build_upsampler


class ModulatedBlock(nn.Module):
    """A residual block whose features a style scales and shifts (Karras et al. 2019, eq. 1).

    The affine maps of the style (Perez et al. 2018) have no bias, so a style of zero leaves the
    block a plain one.
    """

    def __init__(
        self, spatial_dims: int, channels: int, *, style_channels: int, residual_scale: float
    ) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        self.first = conv(spatial_dims, channels, channels, 3)
        self.second = conv(spatial_dims, channels, channels, 3)
        self.activation = nn.LeakyReLU(0.2)
        self.modulation = nn.Linear(style_channels, 2 * channels, bias=False)

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        """``(B, C, *S)`` and ``(B, style_channels)`` to ``(B, C, *S)``."""
        each_pixel = [1] * (features.ndim - 2)
        gain, shift = self.modulation(style).view(style.shape[0], -1, *each_pixel).chunk(2, 1)
        modulated = (1 + gain) * self.first(features) + shift
        result: Tensor = torch.add(
            features, self.second(self.activation(modulated)), alpha=self.residual_scale
        )
        return result


class Stochastic(nn.Module):
    """A residual trunk modulated by noise, in the manner of StyleGAN (Karras et al. 2019, sec. 2).

    Maps ``(B, in_channels, *S)`` and ``noise`` ``(B, noise_channels)`` to
    ``(B, out_channels, *S·scale)``. The noise is drawn from a standard normal once for an image and
    not for a tile. Without noise, or with a vector of zeros, the result is deterministic. Every
    layer is local; the receptive field's radius is ``2·blocks + 3.75`` LR pixels at ×4.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        scale: int | Sequence[int],
        spatial_dims: int = 2,
        channels: int = 64,
        blocks: int = 16,
        noise_channels: int = 64,
        residual_scale: float = 1.0,
        upsampler: Upsampler = "shuffle",
        skip: Skip = "none",
        skip_channels: Sequence[int] | None = None,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        check_counts(channels=channels, blocks=blocks, noise_channels=noise_channels)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.scale, self.multiple_of = per_axis(scale, spatial_dims), (1,) * spatial_dims
        self.noise_channels = noise_channels
        self.collapsed: Collapsed | None = None
        self.mapping = nn.Sequential(
            nn.Linear(noise_channels, channels, bias=False),
            nn.LeakyReLU(0.2),
            nn.Linear(channels, channels, bias=False),
            nn.LeakyReLU(0.2),
        )
        self.head = conv(spatial_dims, in_channels, channels, 3)
        layers = (
            ModulatedBlock(
                spatial_dims, channels, style_channels=channels, residual_scale=residual_scale
            )
            for _ in range(blocks)
        )
        self.trunk = Trunk(*layers, checkpointing=checkpointing)
        self.last = conv(spatial_dims, channels, channels, 3)
        self.upsampler = build_upsampler(upsampler, spatial_dims, channels, self.scale)
        self.tail = conv(spatial_dims, channels, out_channels, 3)
        self.skip = InputSkip(
            skip, self.tail, self.scale, in_channels=in_channels, channels=skip_channels
        )

    @property
    def last_layers(self) -> nn.Sequential:
        """The layers from features to SR, before the skip."""
        return nn.Sequential(self.upsampler, self.tail)

    def forward(self, lr: Tensor, noise: Tensor | None = None) -> Tensor:
        """LR to SR, both in the network's range."""
        style = self._style(lr, noise)
        shallow = self.head(lr)
        features = self.last(self.trunk(shallow, style))
        result: Tensor = self.skip(self.tail(self.upsampler(shallow + features)), lr)
        return result

    def core(self, lr: Tensor, noise: Tensor | None = None, *, spare: Spare) -> Tensor:
        """SR of LR without its `spare` LR pixels; the upsampler computes no more than that."""
        style = self._style(lr, noise)
        return core_of(
            lr,
            spare,
            scale=self.scale,
            head=self.head,
            stages=[lambda shallow: self.last(self.trunk(shallow, style))],
            last_layers=self.last_layers,
            skip=self.skip.added,
            collapsed=self.collapsed,
        )

    def _style(self, lr: Tensor, noise: Tensor | None) -> Tensor:
        """Return what modulates the blocks, ``(B, channels)``."""
        if noise is None:
            noise = lr.new_zeros(lr.shape[0], self.noise_channels)
        elif noise.shape != (lr.shape[0], self.noise_channels):
            raise Mistake(
                f"noise has the shape {tuple(noise.shape)}; give {self.noise_channels} numbers for "
                f"each of the {lr.shape[0]} images."
            )
        style: Tensor = self.mapping(noise)
        return style
