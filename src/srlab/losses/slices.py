"""Two-dimensional terms on volumes and video."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import torch
from torch import Tensor, nn

from srlab.losses.context import Context
from srlab.losses.term import space_of
from srlab.mistakes import Mistake


class Slices(nn.Module):
    """Runs a 2D term on some slices of volumes ``(B, C, *S)``, as one batch of images.

    `count` slices are cut along `axis`, or all if there are fewer. The axis is 0, 1 or 2 of the
    spatial axes; 0 of a video is time. The slices are the same in SR, HR and every image of the
    batch. Their positions depend on the step alone. Every slice has its turn in
    ``ceil(size / count)`` steps.

    The term must return a scalar; a pixel term takes volumes itself. It gets a context cut in the
    same way: LR at the same places, and the same slices of all else. ``degrade`` is refused, since
    a slice of LR depends on the neighbours of a slice of HR.

    This term sees the space of the term inside, and hidden pixels mean the same as there. A slice
    without a valid pixel is two equal images of zeros.
    """

    def __init__(self, *, term: nn.Module, axis: int = 0, count: int = 4) -> None:
        super().__init__()
        if axis not in (0, 1, 2):
            raise Mistake(f"axis is {axis!r}; it must be 0, 1 or 2, a spatial axis of the volumes.")
        if count < 1:
            raise Mistake(f"count is {count}; give a number of slices >= 1.")
        self.term = term
        self.axis = axis
        self.count = count
        self.space = space_of(term)

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Compare slices of SR with slices of HR, both ``(B, C, *S)``: the term's scalar."""
        if sr.ndim != 5:
            raise Mistake(
                "Slices takes volumes (B, C, D, H, W), and these have the shape "
                f"{tuple(sr.shape)}; use the term itself for images."
            )
        size = sr.shape[2 + self.axis]
        positions = self._positions(size, context.step)

        def cut(volume: Tensor) -> Tensor:
            """Slices of a volume whose axis may be shorter than that of SR."""
            own = volume.shape[2 + self.axis]
            return torch.cat(
                [volume.select(2 + self.axis, position * own // size) for position in positions]
            )

        sliced = replace(
            context,
            lr=cut(context.lr),
            lr_physical=cut(context.lr_physical),
            hr_physical=cut(context.hr_physical),
            valid=None if context.valid is None else cut(context.valid),
            degrade=_refuse,
        )
        value: Tensor = self.term(cut(sr), cut(hr), sliced)
        if value.ndim:
            raise Mistake(
                f"{type(self.term).__name__} compares pixel by pixel and takes volumes itself."
            )
        return value

    def _positions(self, size: int, step: int) -> list[int]:
        """Deal from a shuffled pack of slices, which is shuffled anew after each round."""
        steps = ceil(size / self.count)
        generator = torch.Generator().manual_seed(step // steps)
        order = torch.randperm(size, generator=generator).tolist()
        start = step % steps * self.count
        return [order[(start + turn) % size] for turn in range(min(self.count, size))]


def _refuse(image: Tensor) -> Tensor:
    raise Mistake(
        "a slice cannot be degraded without its neighbours; use the term on whole volumes, not in "
        "Slices."
    )
