"""The weighted sum of loss terms, over valid pixels alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from srlab.axes import check_counts
from srlab.losses.context import Context
from srlab.losses.ramp import Ramp, RampShape
from srlab.losses.term import space_of
from srlab.mistakes import Mistake
from srlab.nn.masks import without_hidden


@dataclass(frozen=True)
class WeightedTerm:
    """One entry of the configuration group ``loss``: a term, its weight, and when it counts.

    It counts from `start_step` generator updates until `stop_step`, and is not computed otherwise.
    A term of weight 0 is computed, so that it can be logged.
    """

    term: nn.Module
    weight: float
    start_step: int = 0
    stop_step: int | None = None
    warmup: RampShape = "none"
    warmup_steps: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.weight < math.inf:
            raise Mistake(f"a loss term has weight {self.weight}; give a finite number >= 0.")
        check_counts(least=0, start_step=self.start_step, warmup_steps=self.warmup_steps)
        if self.stop_step is not None and self.stop_step <= self.start_step:
            raise Mistake(
                f"a loss term starts after {self.start_step} updates and stops after "
                f"{self.stop_step}; give a later stop_step, or null."
            )

    @property
    def ramp(self) -> Ramp:
        """The rise of the weight."""
        return Ramp(self.start_step, self.warmup_steps, self.warmup)

    def counts(self, step: int) -> bool:
        """Whether the term is part of the loss after `step` updates."""
        return self.start_step <= step and (self.stop_step is None or step < self.stop_step)


@dataclass(frozen=True)
class LossValue:
    """A weighted sum and what each term contributed to it, without gradients."""

    total: Tensor
    terms: dict[str, Tensor]
    """Unweighted."""

    weighted: dict[str, Tensor]


class WeightedLoss(nn.Module):
    """Sums named terms by their weights, in float32 or float64 whatever the networks run in.

    Hidden pixels are set to zero in both images before any term sees them. A NaN or a fill value
    there reaches neither value nor gradient. Where nothing is valid the sum is zero.

    A map is summed over valid pixels and divided by their mean number in a micro-batch. So the mean
    over micro-batches and ranks is that over all valid pixels of the update.
    """

    def __init__(self, terms: Mapping[str, WeightedTerm]) -> None:
        super().__init__()
        if not terms:
            raise Mistake("the loss has no terms; choose at least one, such as loss=[l1].")
        for name, entry in terms.items():
            if not isinstance(entry, WeightedTerm):
                raise Mistake(
                    f"loss.{name} is of type {type(entry).__name__}; give it a weight, a term and "
                    "_target_: srlab.losses.WeightedTerm."
                )
        self.entries = dict(terms)
        self.terms = nn.ModuleDict({name: entry.term for name, entry in terms.items()})

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> LossValue:
        """Compare SR with HR, both ``(B, C, *S)`` in the network's range."""
        step = context.step
        values, weighted = {}, {}
        with torch.autocast(sr.device.type, enabled=False):
            sr, hr = _at_least_float32(sr), _at_least_float32(hr)
            for name, entry in self.entries.items():
                if entry.counts(step):
                    values[name] = _value(entry.term, sr, hr, context)
                    weighted[name] = entry.weight * entry.ramp.share(step) * values[name]
            total = torch.stack([*weighted.values(), sr.new_zeros(())]).sum()
        return LossValue(total, _detached(values), _detached(weighted))


def _value(term: nn.Module, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
    """The unweighted term, a scalar."""
    if space_of(term) == "physical":
        sr, hr = context.denormalise(sr), _at_least_float32(context.hr_physical)
    sr, hr = without_hidden(sr, context.valid), without_hidden(hr, context.valid)
    value: Tensor = term(sr, hr, context)
    if value.ndim:
        return _valid_mean(value, context)
    if context.valid is None:
        return value
    return torch.where(context.valid.any(), value, 0.0)


def _valid_mean(error: Tensor, context: Context) -> Tensor:
    """The mean of a map ``(B, C, *S)`` over valid pixels; zero without any."""
    valid, count = context.valid, context.valid_count
    if valid is None and count is None:
        return error.mean()
    if valid is None:
        valid = torch.ones_like(error[:, :1], dtype=torch.bool)
    if count is None:
        count = valid.sum()
    divisor = torch.where(count > 0, count, torch.ones_like(count))
    return without_hidden(error, valid).sum() / (error.shape[1] * divisor)


def _at_least_float32(image: Tensor) -> Tensor:
    if image.dtype in (torch.float16, torch.bfloat16):
        return image.float()
    return image


def _detached(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in values.items()}
