"""The weighted sum of loss terms, over valid pixels alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from srlab.losses.context import Context
from srlab.losses.ramp import Ramp, Shape
from srlab.mistakes import Mistake


class Term(Protocol):
    """A loss term.

    It returns a scalar, or a map ``(B, C, *S)`` that is averaged over valid pixels. It sees the network's range,
    unless it has an attribute ``space = "physical"``.
    """

    def __call__(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Compare SR with HR, both ``(B, C, *S)`` and equal wherever pixels are hidden."""


@dataclass(frozen=True)
class WeightedTerm:
    """One entry of the configuration group ``loss``: a term, and how much it counts from when on.

    Before `start_step` generator updates a term is not computed, nor from `stop_step` on. One of weight 0 is, to be
    logged.
    """

    term: nn.Module
    weight: float
    start_step: int = 0
    stop_step: int | None = None
    warmup: Shape = "none"
    warmup_steps: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.weight < math.inf:
            raise Mistake(f"a loss term has weight {self.weight}; give a finite number >= 0.")
        if self.stop_step is not None and self.stop_step <= self.start_step:
            raise Mistake(
                f"a loss term starts after {self.start_step} updates and stops after {self.stop_step}; give a later "
                "stop_step, or null."
            )

    @property
    def ramp(self) -> Ramp:
        """The rise of the weight."""
        return Ramp(self.start_step, self.warmup_steps, self.warmup)

    def counts(self, step: int) -> bool:
        """Whether it is part of the loss of the update after `step` others."""
        return self.start_step <= step and (self.stop_step is None or step < self.stop_step)


@dataclass(frozen=True)
class LossValue:
    """A weighted sum and what each term contributed to it, without gradients."""

    total: Tensor
    terms: dict[str, Tensor]
    """Unweighted."""

    weighted: dict[str, Tensor]


class WeightedLoss(nn.Module):
    """Sums named terms by their weights, in float32 whatever precision the networks run in.

    Hidden pixels are set to zero in both images before any term sees them, so that a NaN or a fill value there
    reaches neither value nor gradient; where nothing is valid the sum is zero. A map is summed over valid pixels and
    divided by their mean number in a micro-batch, so that the mean over micro-batches and ranks is that over all
    valid pixels of the update.
    """

    def __init__(self, terms: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__()
        if not terms:
            raise Mistake("the loss has no terms; choose at least one, as loss=[l1].")
        self.entries = {name: _entry(name, values) for name, values in terms.items()}
        self.terms = nn.ModuleDict({name: entry.term for name, entry in self.entries.items()})

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> LossValue:
        """Compare SR with HR, both ``(B, C, *S)`` in the network's range."""
        with torch.autocast(sr.device.type, enabled=False):
            sr, hr = _at_least_float32(sr), _at_least_float32(hr)
            counting = {
                name: entry for name, entry in self.entries.items() if entry.counts(context.step)
            }
            values = {
                name: self._value(entry.term, sr, hr, context) for name, entry in counting.items()
            }
            weighted = {
                name: entry.weight * entry.ramp.share(context.step) * values[name]
                for name, entry in counting.items()
            }
            total = torch.stack([*weighted.values(), sr.new_zeros(())]).sum()
        return LossValue(total, _detached(values), _detached(weighted))

    def _value(self, term: nn.Module, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        if getattr(term, "space", "network") == "physical":
            sr, hr = context.denormalise(sr), context.denormalise(hr)
        if context.valid is not None:
            sr, hr = _hidden_zeroed(sr, context.valid), _hidden_zeroed(hr, context.valid)
        value: Tensor = term(sr, hr, context)
        if value.ndim:
            return _valid_mean(value, context)
        return (
            value
            if context.valid is None
            else torch.where(context.valid.any(), value, torch.zeros_like(value))
        )


def _entry(name: str, values: Mapping[str, Any]) -> WeightedTerm:
    known, given = {field.name for field in fields(WeightedTerm)}, set(values)
    if not {"term", "weight"} <= given <= known:
        raise Mistake(
            f"loss.{name} has {', '.join(sorted(given))}; it needs weight and term, and may have start_step, "
            "stop_step, warmup and warmup_steps."
        )
    return WeightedTerm(**values)


def _at_least_float32(image: Tensor) -> Tensor:
    return image.float() if image.dtype in (torch.float16, torch.bfloat16) else image


def _detached(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in values.items()}


def _hidden_zeroed(image: Tensor, valid: Tensor) -> Tensor:
    return torch.where(valid, image, torch.zeros((), dtype=image.dtype, device=image.device))


def _valid_mean(error: Tensor, context: Context) -> Tensor:
    if context.valid is None and context.valid_count is None:
        return error.mean()
    valid = (
        torch.ones_like(error[:, :1], dtype=torch.bool) if context.valid is None else context.valid
    )
    count = valid.sum() if context.valid_count is None else context.valid_count
    total = torch.where(valid, error, torch.zeros_like(error)).sum()
    return total / (error.shape[1] * torch.where(count > 0, count, torch.ones_like(count)))
