"""The weighted sum of loss terms, over valid pixels alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypedDict

import torch
from torch import Tensor, nn

from srlab.losses.context import Context


class Term(Protocol):
    """A loss term.

    It returns a scalar, or a map ``(B, C, *S)`` that is averaged over valid pixels. It sees the network's range,
    unless it has an attribute ``space = "physical"``.
    """

    def __call__(self, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        """Compare SR with HR, both ``(B, C, *S)`` and equal wherever pixels are hidden."""


class WeightedTerm(TypedDict):
    """One entry of the configuration group ``loss``."""

    weight: float
    term: nn.Module


@dataclass(frozen=True)
class LossValue:
    """A weighted sum and what each term contributed to it, unweighted."""

    total: Tensor
    terms: dict[str, Tensor]


class WeightedLoss(nn.Module):
    """Sums named terms by their weights.

    Hidden pixels are set to zero in both images before any term sees them, so that a NaN or a fill value there
    reaches neither value nor gradient; where nothing is valid the sum is zero.
    """

    def __init__(self, terms: Mapping[str, WeightedTerm]) -> None:
        super().__init__()
        if not terms:
            raise ValueError("the loss has no terms; choose at least one, as loss=[l1].")
        self.terms = nn.ModuleDict({name: entry["term"] for name, entry in terms.items()})
        self.weights = {name: float(entry["weight"]) for name, entry in terms.items()}

    def forward(self, sr: Tensor, hr: Tensor, context: Context) -> LossValue:
        """Compare SR with HR, both ``(B, C, *S)`` in the network's range."""
        values = {name: self._value(term, sr, hr, context) for name, term in self.terms.items()}
        total = torch.stack([self.weights[name] * value for name, value in values.items()]).sum()
        return LossValue(total, {name: value.detach() for name, value in values.items()})

    def _value(self, term: nn.Module, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
        if getattr(term, "space", "network") == "physical":
            sr, hr = context.denormalise(sr), context.denormalise(hr)
        if context.valid is not None:
            sr, hr = _hidden_zeroed(sr, context.valid), _hidden_zeroed(hr, context.valid)
        value: Tensor = term(sr, hr, context)
        return _valid_mean(value, context.valid) if value.ndim else value


def _hidden_zeroed(image: Tensor, valid: Tensor) -> Tensor:
    return torch.where(valid, image, torch.zeros((), dtype=image.dtype, device=image.device))


def _valid_mean(error: Tensor, valid: Tensor | None) -> Tensor:
    if valid is None:
        return error.mean()
    weight = valid.expand_as(error)
    return (error * weight).sum() / weight.sum().clamp(min=1)
