"""Crops drawn preferably at informative places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Weighting = Literal["none", "gradient", "variance"]
"""What makes a crop likelier: nothing, its mean absolute gradient, or its variance."""

CANDIDATES = 4
"""The crops that are drawn for one that is used.

Each is read, so training reads four times as much. Nothing of a file need be known before: it may
be of any size, and the crop at a position depends on the seed and the position alone.
"""


def information(hr: NDArray[np.float32], weighting: Weighting) -> float:
    """Return how much there is to see in a crop ``(C, *S)``: 0 where it is flat.

    Hidden pixels take no part. ``gradient`` is the mean absolute difference of neighbours along
    all axes, ``variance`` the mean of the channels' variances. Both are in physical units.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        if weighting == "gradient":
            steps = [np.abs(np.diff(hr, axis=axis)) for axis in range(1, hr.ndim)]
            return float(np.mean([_mean(step) for step in steps]))
        values = hr.reshape(len(hr), -1).astype(np.float64)
        return float(np.mean([_mean((own - _mean(own)) ** 2) for own in values]))


def _mean(values: NDArray[np.floating]) -> float:
    """Return the mean of the finite values, or 0 of none."""
    finite = values[np.isfinite(values)]
    return float(finite.mean(dtype=np.float64)) if len(finite) else 0.0


def chosen(scores: Sequence[float], random: np.random.Generator) -> int:
    """Draw one of some candidates, each by its share of their scores; evenly if all are 0.

    The N candidates are drawn evenly before. Say that a share f of all places has the score a, and
    the others b. The chance of choosing one with a is then
    ``sum over k of binomial(N, k) f^k (1 - f)^(N - k) · k a / (k a + (N - k) b)``.
    """
    total = sum(scores)
    if not total > 0:
        return int(random.integers(len(scores)))
    return int(random.choice(len(scores), p=np.divide(scores, total)))
