"""Weighted drawing of crops, which prefers informative places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Weighting = Literal["none", "gradient", "variance"]
"""The measure that makes a crop more likely: none, its mean absolute gradient, or its variance."""

CANDIDATES = 4
"""The number of candidates from which one crop is chosen.

All are read, so training reads four times as much. In return, files need not be searched before.
They may be of any size, and the crop at a position depends on the seed and the position alone.
"""


def information(hr: NDArray[np.float32], weighting: Weighting) -> float:
    """Return the information of a crop ``(C, *S)``, at least 0; a flat crop has 0.

    ``gradient`` is the mean absolute difference of neighbours along all axes. ``variance`` is the
    mean variance of the channels. Pixels that are not finite take no part. The unit follows from
    that of `hr`.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        if weighting == "gradient":
            steps = [np.abs(np.diff(hr, axis=axis)) for axis in range(1, hr.ndim)]
            return float(np.mean([_mean(step) for step in steps]))
        values = hr.reshape(len(hr), -1).astype(np.float64)
        return float(np.mean([_mean((own - _mean(own)) ** 2) for own in values]))


def _mean(values: NDArray[np.floating]) -> float:
    """Return the mean of the finite values, or 0 if there are none."""
    finite = values[np.isfinite(values)]
    return float(finite.mean(dtype=np.float64)) if len(finite) else 0.0


def chosen(scores: Sequence[float], random: np.random.Generator) -> int:
    """Draw the index of a candidate, with a probability proportional to its score.

    If all scores are 0, all candidates are equally likely.

    The N candidates are drawn evenly before. Let a share f of all places have the score a, and the
    others b. Then a place of score a is chosen with the probability::

        sum over k of binomial(N, k) f^k (1 - f)^(N - k) · k a / (k a + (N - k) b)
    """
    total = sum(scores)
    if not total > 0:
        return int(random.integers(len(scores)))
    return int(random.choice(len(scores), p=np.divide(scores, total)))
