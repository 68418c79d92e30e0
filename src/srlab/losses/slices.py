"""Two-dimensional terms on volumes and video."""

from __future__ import annotations

from dataclasses import fields, replace
from math import ceil

import torch
from torch import Tensor, nn

from srlab.losses.context import Context
from srlab.mistakes import Mistake


class Slices(nn.Module):
    """Runs a 2D term on some slices of volumes ``(B, C, *S)``, as one batch of images.

    `count` slices are cut along `axis`, 0, 1 or 2 of the spatial axes (0 of a video: frames), or all if there are
    fewer; they are the same in SR, HR and every image of the batch. Their positions depend on the step alone, and every
    slice has its turn in ``ceil(size / count)`` steps. The term must return a scalar; a pixel term needs no slices.

    The term's context has the same slices of ``valid``, and of LR those that lie in the same place; ``degrade`` is
    refused, since a slice of LR depends on HR's neighbours. The term's `space` is this one's, and so is what hidden
    pixels mean; a slice without any valid pixel is two equal images of zeros.
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
        self.space: str = getattr(term, "space", "network")

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Compare slices of SR with slices of HR, both ``(B, C, *S)``: the term's scalar."""
        if sr.ndim != 5:
            raise Mistake(
                f"Slices takes volumes (B, C, D, H, W), and these have the shape {tuple(sr.shape)}; use the term "
                "itself for images."
            )
        size = sr.shape[2 + self.axis]
        positions = self._positions(size, context.step)
        values = {field.name: getattr(context, field.name) for field in fields(context)}
        volumes = {
            name: value
            for name, value in values.items()
            if isinstance(value, Tensor) and value.ndim == 5
        }
        sliced = {name: self._cut(volume, positions, size) for name, volume in volumes.items()}
        value: Tensor = self.term(
            self._cut(sr, positions, size),
            self._cut(hr, positions, size),
            replace(context, **{**sliced, "degrade": _refuse}),  # type: ignore[arg-type]
        )
        if value.ndim:
            raise Mistake(
                f"{type(self.term).__name__} compares pixel by pixel and takes volumes itself."
            )
        return value

    def _positions(self, size: int, step: int) -> list[int]:
        """Deal a shuffled pack of slices, and shuffle it anew when all had their turn."""
        rounds = ceil(size / self.count)
        order = torch.randperm(
            size, generator=torch.Generator().manual_seed(step // rounds)
        ).tolist()
        start = step % rounds * self.count
        return [order[(start + turn) % size] for turn in range(min(self.count, size))]

    def _cut(self, volume: Tensor, positions: list[int], size: int) -> Tensor:
        """Slices of a volume whose axis may be shorter than the `size` that the positions count in."""
        own = volume.shape[2 + self.axis]
        return torch.cat(
            [volume.select(2 + self.axis, position * own // size) for position in positions]
        )


def _refuse(image: Tensor) -> Tensor:
    raise Mistake(
        "a slice cannot be degraded without its neighbours; use the term on whole volumes, not in Slices."
    )
