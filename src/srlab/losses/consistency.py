"""The difference between SR, degraded again, and the LR image it came from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from srlab.losses.context import Context
from srlab.losses.norms import Norm, norm_of
from srlab.mistakes import Mistake
from srlab.nn.masks import without_hidden


class Consistency(nn.Module):
    """Difference between degraded SR and LR, in data ranges (back-projection, Irani & Peleg 1991).

    SR ``(B, C, *S)`` is degraded in physical units, and the difference is divided by the data
    range. So it means the same for photographs and for reflectance. The scalar is the mean absolute
    difference for the norm "l1", and the mean square for "l2".

    `channels` are the LR channels, from 1, that the channels of SR correspond to, for LR that has
    more (a guide, for example). None takes all.

    An LR pixel counts if its cell of HR pixels is valid throughout, and so are `reach` cells on
    each side of it. Antialiased bicubic shrinking looks at 2; a blur before it needs more.

    A random degradation is drawn once an update, independently of the draw that made LR. The term
    is exact only for a fixed one.
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
        """Return the difference as a scalar."""
        lr = self._counterpart(context.lr_physical, sr.shape[1])
        degraded = context.degrade(sr)
        _check_degraded(degraded, lr, sr)
        error = self.norm((degraded - lr) / context.data_range)
        if context.valid is None:
            return error.mean()
        factors = [high // low for high, low in zip(sr.shape[2:], lr.shape[2:], strict=True)]
        counts = _untouched(context.valid, factors, self.reach).expand_as(error)
        return without_hidden(error, counts).sum() / counts.sum().clamp(min=1)

    def _counterpart(self, lr: Tensor, wanted: int) -> Tensor:
        """The LR channels that SR's correspond to."""
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
    """LR pixels ``(B, 1, *S)`` whose own cell and `reach` cells on each side are all valid."""
    for axis, factor in enumerate(factors, start=2):
        shape = list(valid.shape)
        shape[axis] = reach * factor
        outside = valid.new_ones(shape)
        padded = torch.cat([outside, valid, outside], dim=axis)
        valid = padded.unfold(axis, (2 * reach + 1) * factor, factor).all(dim=-1)
    return valid
