"""What the values of a dataset look like."""

from __future__ import annotations

import numpy as np

from srlab.data.source import PairDataset


def value_range(dataset: PairDataset, *, samples: int = 64) -> tuple[tuple[float, float], ...]:
    """The 0.1st and 99.9th percentile of each LR channel over the first samples of a dataset, in physical units."""
    pixels = []
    for position in range(samples):
        lr = dataset[position]["lr"].flatten(1).numpy()
        pixels.append(
            lr[:, :: lr.shape[1] // 4096 | 1]
        )  # an odd stride, which does not stay in the same columns
    low, high = np.percentile(np.concatenate(pixels, axis=1), [0.1, 99.9], axis=1)
    return tuple(zip(low.tolist(), high.tolist(), strict=True))
