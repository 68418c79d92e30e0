"""The difference between LR and SR that has been degraded again."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from srlab.losses.context import Context
from srlab.losses.norms import Norm, norm_of
from srlab.mistakes import Mistake
from srlab.nn.masks import without_hidden


class Consistency(nn.Module):
    """Difference between degraded SR and LR (back-projection error, Irani & Peleg 1991).

    SR ``(B, C, *S·scale)`` is degraded in physical units and compared with LR ``(B, C, *S)``. The
    difference is divided by the data range, so that one weight fits photographs and reflectance
    alike. The result is a scalar: the mean absolute difference for the norm "l1", and the mean
    squared difference for "l2".

    LR may have more channels than SR, such as those of a guide. `channels` are then the LR channels
    to compare with SR, counted from 1. None takes all of them.

    Hidden pixels count in the following way. Each LR pixel covers a cell of HR pixels. It counts if
    all pixels of its own cell are valid, and all pixels of the `reach` cells on each side of it.
    Antialiased bicubic shrinking reaches 2 cells far. A blur before the shrinking reaches farther.

    A random degradation is drawn once for each update, independently of the draw that made LR. Even
    perfect SR then differs from LR; it agrees exactly only for a degradation that is not random.

    Raises a `Mistake` if the channels or sizes do not fit, or if the degradation has no gradient.
    """

    space = "physical"

    def __init__(
        self, *, norm: Norm = "l1", channels: Sequence[int] | None = None, reach: int = 2
    ) -> None:
        super().__init__()
        if reach < 0:
            raise Mistake(
                f"loss.consistency.term.reach is {reach}; it must be 0 or more LR pixels."
            )
        self.norm = norm_of(norm, term="consistency")
        self.channels = channels
        self.reach = reach

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Return the difference as a scalar; HR is not used."""
        lr = self._counterpart(context.lr_physical, sr.shape[1])
        degraded = context.degrade(sr)
        _check_degraded(degraded, lr, sr)

        error = self.norm((degraded - lr) / context.data_range)
        if context.valid is None:
            return error.mean()

        sides = zip(sr.shape[2:], lr.shape[2:], strict=True)
        factors = [hr_side // lr_side for hr_side, lr_side in sides]
        counts = _untouched(context.valid, factors, self.reach).expand_as(error)
        total = without_hidden(error, counts).sum()
        return total / counts.sum().clamp(min=1)

    def _counterpart(self, lr: Tensor, wanted: int) -> Tensor:
        """Return the LR channels that correspond to the `wanted` channels of SR."""
        count = lr.shape[1]
        channels = list(self.channels or range(1, count + 1))
        if len(channels) != wanted or not all(1 <= channel <= count for channel in channels):
            raise Mistake(
                f"loss=consistency compares LR channels {channels} of {count} with {wanted} SR "
                "channels; name one LR channel for each SR channel by "
                "loss.consistency.term.channels=."
            )
        if self.channels is None:
            return lr
        return lr[:, [channel - 1 for channel in channels]]


def _check_degraded(degraded: Tensor, lr: Tensor, sr: Tensor) -> None:
    if degraded.shape != lr.shape:
        raise Mistake(
            f"the degradation made {tuple(degraded.shape)} of SR, but LR is {tuple(lr.shape)}; "
            "choose the degradation and scale by which LR came from HR, or leave consistency out "
            "of loss=."
        )
    if sr.requires_grad and not degraded.requires_grad:
        raise Mistake(
            "loss=consistency cannot train through this degradation, which passes no gradient; "
            "choose a differentiable one such as degradation=bicubic, or leave consistency out of "
            "loss=."
        )


def _untouched(valid: Tensor, factors: Sequence[int], reach: int) -> Tensor:
    """Return a mask of LR pixels ``(B, 1, *S)``: true if no hidden HR pixel can affect them.

    Their own cell of HR pixels and `reach` cells on each side are then valid. Cells beyond the
    border of the image count as valid.
    """
    for axis, factor in enumerate(factors, start=2):
        shape = list(valid.shape)
        shape[axis] = reach * factor
        outside = valid.new_ones(shape)
        padded = torch.cat([outside, valid, outside], dim=axis)
        window = (2 * reach + 1) * factor
        valid = padded.unfold(axis, window, factor).all(dim=-1)
    return valid
