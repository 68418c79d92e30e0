"""The weighted sum of loss terms, over the valid pixels only."""

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
    """One entry of the configuration group ``loss``: a term, its weight, and its steps.

    The term counts from `start_step` generator updates on, until `stop_step`. None never stops it.
    At other steps it is not computed. The weight rises to its full value over the first
    `warmup_steps` updates, in the shape `warmup` (see `Ramp`). A term of weight 0 is computed, so
    that it can be logged.

    Raises a `Mistake` for a negative or infinite weight, and for negative or reversed steps.
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
        """The rise of the weight after `start_step`."""
        return Ramp(self.start_step, self.warmup_steps, self.warmup)

    def counts(self, step: int) -> bool:
        """Whether the term is part of the loss after `step` updates."""
        started = self.start_step <= step
        stopped = self.stop_step is not None and self.stop_step <= step
        return started and not stopped


@dataclass(frozen=True)
class LossValue:
    """The weighted sum of the terms, and the terms themselves, for the logs."""

    total: Tensor
    """The sum, a scalar with its gradient."""

    terms: dict[str, Tensor]
    """The terms without their weights, by name; scalars without gradients."""

    weighted: dict[str, Tensor]
    """The terms with their weights, by name; scalars without gradients."""


class WeightedLoss(nn.Module):
    """Weighted sum of named loss terms.

    It is computed in float32 or float64, even if the networks run in half precision.

    Hidden pixels are set to zero in both images before any term sees them. So a NaN or a fill value
    there changes neither the loss nor its gradient. If no pixel is valid, the sum is zero.

    The map of a pixel term is summed over valid pixels and divided by the mean number of valid
    pixels in a micro-batch. Averaged over the micro-batches and ranks of an update, this is the
    mean over all valid pixels of the update.

    Raises a `Mistake` if there are no terms, or an entry is not a `WeightedTerm`.
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
        """Return the loss of SR against HR, both ``(B, C, *S)`` in the network's range."""
        step = context.step
        values = {}
        weighted = {}
        with torch.autocast(sr.device.type, enabled=False):
            sr = _at_least_float32(sr)
            hr = _at_least_float32(hr)
            for name, entry in self.entries.items():
                if entry.counts(step):
                    value = _value(entry.term, sr, hr, context)
                    weight = entry.weight * entry.ramp.share(step)
                    values[name] = value
                    weighted[name] = weight * value
            zero = sr.new_zeros(())  # the sum at steps where no term counts
            total = torch.stack([*weighted.values(), zero]).sum()
        return LossValue(total, _detached(values), _detached(weighted))


def _value(term: nn.Module, sr: Tensor, hr: Tensor, context: Context) -> Tensor:
    """Return the term without its weight, as a scalar."""
    if space_of(term) == "physical":
        sr = context.denormalise(sr)
        hr = _at_least_float32(context.hr_physical)
    sr = without_hidden(sr, context.valid)
    hr = without_hidden(hr, context.valid)
    value: Tensor = term(sr, hr, context)
    is_map = value.ndim > 0
    if is_map:
        return _valid_mean(value, context)
    if context.valid is None:
        return value
    return torch.where(context.valid.any(), value, 0.0)


def _valid_mean(error: Tensor, context: Context) -> Tensor:
    """Return the mean of a map ``(B, C, *S)`` over valid pixels, or zero if none is valid."""
    valid, count = context.valid, context.valid_count
    if valid is None and count is None:
        return error.mean()
    if valid is None:
        valid = torch.ones_like(error[:, :1], dtype=torch.bool)
    if count is None:
        count = valid.sum()
    divisor = torch.where(count > 0, count, torch.ones_like(count))
    channels = error.shape[1]
    return without_hidden(error, valid).sum() / (channels * divisor)


def _at_least_float32(image: Tensor) -> Tensor:
    """Return the image in float32 if it has half precision, and unchanged otherwise."""
    if image.dtype in (torch.float16, torch.bfloat16):
        return image.float()
    return image


def _detached(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in values.items()}
