"""Random variations of the values of training pairs."""

from __future__ import annotations

import numpy as np
import torch

from srlab.data.sources.source import Sample
from srlab.mistakes import Mistake


def check_chances(*, channel_dropout: float, intensity_jitter: float) -> None:
    """Raise a `Mistake` unless both lie from 0 to below 1."""
    given = {"channel_dropout": channel_dropout, "intensity_jitter": intensity_jitter}
    for name, value in given.items():
        if not 0 <= value < 1:
            raise Mistake(f"data.{name} is {value}; give a number from 0 (off) to below 1.")


def varied(
    sample: Sample, random: np.random.Generator, *, channel_dropout: float, intensity_jitter: float
) -> Sample:
    """Vary the values of a pair at random; where both settings are 0, nothing is drawn.

    Channel dropout: each LR channel is set to 0 with the probability `channel_dropout`. HR stays as
    it is. This is the value of a channel without data in prediction. If all channels would be 0,
    one of them, drawn evenly, stays. Loss terms that compare SR with LR see the zeros, too.

    Intensity jitter: all values of LR and HR are multiplied by one gain, drawn evenly from
    ``1 - intensity_jitter`` to ``1 + intensity_jitter``. LR remains the linear degradation of HR.
    The values that fill hidden pixels are multiplied as well; ``valid`` does not change.

    Raises a `Mistake` where the only channel of LR would be emptied.
    """
    changed = sample.copy()
    if channel_dropout:
        changed["lr"] = _without_channels(sample["lr"], channel_dropout, random)
    if intensity_jitter:
        gain = float(random.uniform(1 - intensity_jitter, 1 + intensity_jitter))
        changed["lr"], changed["hr"] = changed["lr"] * gain, changed["hr"] * gain
    return changed


def _without_channels(lr: torch.Tensor, chance: float, random: np.random.Generator) -> torch.Tensor:
    if len(lr) == 1:
        raise Mistake(
            f"data.channel_dropout is {chance}, and LR has a single channel; set it to 0."
        )
    empty = random.random(len(lr)) < chance
    spared = int(random.integers(len(lr)))
    if empty.all():
        empty[spared] = False
    changed = lr.clone()
    changed[torch.from_numpy(empty)] = 0
    return changed
