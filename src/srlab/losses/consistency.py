"""SR, degraded again, must be the LR image it came from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from srlab.losses.context import Context
from srlab.losses.norms import Norm, norm_of
from srlab.mistakes import Mistake


class Consistency(nn.Module):
    """Difference between the degraded SR and the LR input, in data ranges (back-projection, Irani and Peleg 1991).

    SR ``(B, C, *S)`` is degraded in physical units and the difference divided by the data range, so that it means the
    same for photographs and for reflectance; the scalar is its mean absolute value for the norm "l1", or its mean
    square for "l2". `channels` are the LR channels, from 1, that the channels of SR correspond to, where LR has more,
    as with a guide; None takes all.

    An LR pixel counts if its cell of HR pixels, and `reach` cells on each side of it, are valid throughout; 2 is what
    antialiased bicubic shrinking looks at, a blur before it needs more. A random degradation is drawn once an update,
    and not as LR's was: the term is exact for a fixed one.
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
        self.channels = list(channels) if channels is not None else None
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
        return torch.where(counts, error, torch.zeros_like(error)).sum() / counts.sum().clamp(min=1)

    def _counterpart(self, lr: Tensor, wanted: int) -> Tensor:
        """The LR channels that SR's correspond to."""
        count = lr.shape[1]
        numbers = self.channels if self.channels is not None else list(range(1, count + 1))
        if len(numbers) != wanted or not all(1 <= number <= count for number in numbers):
            raise Mistake(
                f"loss=consistency compares LR channels {numbers} of {count} with {wanted} SR channels; name one LR "
                "channel for each SR channel by loss.consistency.term.channels=."
            )
        return lr if self.channels is None else lr[:, [number - 1 for number in numbers]]


def _check_degraded(degraded: Tensor, lr: Tensor, sr: Tensor) -> None:
    if degraded.shape != lr.shape:
        raise Mistake(
            f"the degradation made {tuple(degraded.shape)} of SR, but LR is {tuple(lr.shape)}; choose the degradation "
            "and scale by which LR came from HR, or leave consistency out of loss=."
        )
    if sr.requires_grad and not degraded.requires_grad:
        raise Mistake(
            "loss=consistency cannot train through this degradation, which passes no gradient; choose a differentiable "
            "one, as degradation=bicubic, or leave consistency out of loss=."
        )


def _untouched(valid: Tensor, factors: Sequence[int], reach: int) -> Tensor:
    """LR pixels, ``(B, 1, *S)``, with valid HR pixels alone in their cells and in `reach` cells on each side."""
    for axis, factor in enumerate(factors, start=2):
        shape = list(valid.shape)
        shape[axis] = reach * factor
        outside = valid.new_ones(shape)
        cells = torch.cat([outside, valid, outside], dim=axis).unfold(
            axis, (2 * reach + 1) * factor, factor
        )
        valid = cells.all(dim=-1)
    return valid
