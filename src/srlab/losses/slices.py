"""Two-dimensional loss terms, applied to slices of volumes and frames of video."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import torch
from torch import Tensor, nn

from srlab.losses.context import Context
from srlab.losses.term import space_of
from srlab.mistakes import Mistake


class Slices(nn.Module):
    """Applies a 2D term to some slices of volumes ``(B, C, D, H, W)``, as one batch of images.

    `axis` is the spatial axis across which slices are cut: 0, 1 or 2. Axis 0 of a video is time, so
    its slices are frames. `count` slices are cut at each step, or all if there are fewer. They lie
    at the same positions in SR, HR and all volumes of the batch. The positions depend on the step
    alone, and every slice has its turn within ``ceil(size / count)`` steps.

    The result is the scalar of the `term`. Pixel terms, which return a map, are refused, since they
    take volumes themselves. The term gets a `Context` of the same slices, with LR cut at the same
    places. It cannot call ``degrade``, since a slice of LR depends on several slices of HR.

    Images are in the range that the term declares, the network's or physical units. The term also
    decides what hidden pixels mean. A slice without a valid pixel is zero in both images.

    Raises a `Mistake` for images, pixel terms, or a wrong axis or count.
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
        """Return the term's scalar for slices of SR and HR, both ``(B, C, D, H, W)``."""
        if sr.ndim != 5:
            raise Mistake(
                "Slices takes volumes (B, C, D, H, W), and these have the shape "
                f"{tuple(sr.shape)}; use the term itself for images."
            )
        axis = 2 + self.axis
        size = sr.shape[axis]
        positions = self._positions(size, context.step)

        def cut(volume: Tensor) -> Tensor:
            """Return the slices of a volume as a batch; LR has fewer slices along the axis."""
            own_size = volume.shape[axis]
            slices = []
            for position in positions:
                own_position = position * own_size // size
                slices.append(volume.select(axis, own_position))
            return torch.cat(slices)

        valid = context.valid
        if valid is not None:
            valid = cut(valid)
        sliced = replace(
            context,
            lr=cut(context.lr),
            lr_physical=cut(context.lr_physical),
            hr_physical=cut(context.hr_physical),
            valid=valid,
            degrade=_refuse,
        )
        value: Tensor = self.term(cut(sr), cut(hr), sliced)
        if value.ndim:
            raise Mistake(
                f"{type(self.term).__name__} compares pixel by pixel and takes volumes itself."
            )
        return value

    def _positions(self, size: int, step: int) -> list[int]:
        """Return the slices of a step: the next `count` of a random order of all slices.

        A round is the number of steps in which every slice has its turn. Each round has an order
        of its own.
        """
        steps_of_round = ceil(size / self.count)
        number, place = divmod(step, steps_of_round)
        generator = torch.Generator().manual_seed(number)
        order = torch.randperm(size, generator=generator).tolist()
        first = place * self.count
        chosen = range(first, first + min(self.count, size))
        return [order[turn % size] for turn in chosen]


def _refuse(image: Tensor) -> Tensor:
    raise Mistake(
        "a slice cannot be degraded without its neighbours; use the term on whole volumes, not in "
        "Slices."
    )
