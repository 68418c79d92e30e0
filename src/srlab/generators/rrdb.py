"""RRDBNet, the generator of ESRGAN."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import prod

import torch.nn.functional as F
from torch import Tensor, nn

from srlab.axes import check_counts, per_axis
from srlab.nn.blocks import ResidualInResidualDenseBlock
from srlab.nn.dims import conv
from srlab.nn.shrinking import Spare, core_of, nothing, without
from srlab.nn.skip import InputSkip, Skip
from srlab.nn.trunk import Trunk
from srlab.nn.upsample import PixelUnshuffle, Upsampler, build_upsampler


class RRDB(nn.Module):
    """Residual-in-residual dense blocks without normalisation (Wang et al. 2018, sec. 3.1).

    Maps ``(B, in_channels, *S)`` to ``(B, out_channels, *S·scale)`` for any size ``S``. Every layer
    is local; the receptive field's radius is ``15·blocks + 3.25`` LR pixels at ×4.

    With `unshuffle` the trunk works on cells of `unshuffle` LR pixels along each axis (Wang et al.
    2021, Real-ESRGAN, sec. 3.3, with 2 for its ×2 and 4 for its ×1 network). The pixels of a cell
    become channels, and the upsampler enlarges by ``scale·unshuffle``. That takes less arithmetic
    and reaches further. Let r be the radius in cells: the formula above at ``scale·unshuffle``.
    Then the radius in LR pixels is ``ceil(unshuffle·r) + unshuffle - 1``. An incomplete last cell
    repeats its last pixel. Tiles should start on `multiple_of`. ``torch.export`` takes fixed sizes,
    or free ones that are declared as multiples.
    """

    noise_channels = None

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        scale: int | Sequence[int],
        spatial_dims: int = 2,
        channels: int = 64,
        blocks: int = 23,
        growth_channels: int = 32,
        residual_scale: float = 0.2,
        upsampler: Upsampler = "nearest",
        skip: Skip = "none",
        skip_channels: Sequence[int] | None = None,
        unshuffle: int | Sequence[int] = 1,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        check_counts(channels=channels, blocks=blocks, growth_channels=growth_channels)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.scale = per_axis(scale, spatial_dims)
        self.multiple_of = per_axis(unshuffle, spatial_dims)
        activation = partial(nn.LeakyReLU, 0.2)
        self.unshuffle = PixelUnshuffle(self.multiple_of)
        self.head = conv(spatial_dims, in_channels * prod(self.multiple_of), channels, 3)
        layers = (
            ResidualInResidualDenseBlock(
                spatial_dims,
                channels,
                growth_channels=growth_channels,
                residual_scale=residual_scale,
            )
            for _ in range(blocks)
        )
        self.trunk = Trunk(
            *layers, conv(spatial_dims, channels, channels, 3), checkpointing=checkpointing
        )
        enlargement = [
            factor * cell for factor, cell in zip(self.scale, self.multiple_of, strict=True)
        ]
        self.upsampler = build_upsampler(
            upsampler, spatial_dims, channels, enlargement, activation=activation
        )
        self.refine = nn.Sequential(conv(spatial_dims, channels, channels, 3), activation())
        self.tail = conv(spatial_dims, channels, out_channels, 3)
        self.skip = InputSkip(
            skip, self.tail, self.scale, in_channels=in_channels, channels=skip_channels
        )

    def forward(self, lr: Tensor) -> Tensor:
        """LR to SR, both in the network's range."""
        image, in_cells = lr, max(self.multiple_of) > 1
        if in_cells:
            image = self.unshuffle(_padded(lr, self.multiple_of))
        shallow = self.head(image)
        residual = self.tail(self.refine(self.upsampler(shallow + self.trunk(shallow))))
        if in_cells:
            residual = _cropped(residual, lr, self.scale)
        result: Tensor = self.skip(residual, lr)
        return result

    def core(self, lr: Tensor, *, spare: Spare) -> Tensor:
        """SR of LR without its `spare` LR pixels."""
        if max(self.multiple_of) > 1:  # the trunk works on cells, of which none can be halved
            return without(self(lr), spare, nothing(spare), scale=self.scale)
        return core_of(
            lr,
            spare,
            scale=self.scale,
            head=self.head,
            stages=list(self.trunk),
            last_layers=nn.Sequential(self.upsampler, self.refine, self.tail),
            skip=self.skip.added,
        )


def _padded(lr: Tensor, multiple_of: Sequence[int]) -> Tensor:
    """Repeat the last pixels of each axis up to the next multiple."""
    sides: list[int] = []
    for size, cell in zip(lr.shape[2:], multiple_of, strict=True):
        sides = [0, -(-size // cell) * cell - size, *sides]  # F.pad takes the last axis first
    return F.pad(lr, sides, mode="replicate")


def _cropped(sr: Tensor, lr: Tensor, scale: Sequence[int]) -> Tensor:
    """Drop the pixels of incomplete last cells."""
    for axis, factor in enumerate(scale, start=2):
        sr = sr.narrow(axis, 0, lr.shape[axis] * factor)
    return sr
