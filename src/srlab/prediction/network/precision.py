"""The precision in which a network computes."""

from __future__ import annotations

import logging
import time
from math import inf

import numpy as np
import torch
from torch import Tensor

from srlab.io import Reader
from srlab.mistakes import Mistake
from srlab.models.super_resolver import SuperResolver
from srlab.prediction.grid.samples import sample_of
from srlab.prediction.network.predictor import Predictor

log = logging.getLogger(__name__)

DTYPES = {"32": torch.float32, "bf16": torch.bfloat16, "16": torch.float16}

TOLERANCE = 1e-3
"""The root mean square difference from float32 that ``auto`` allows, in training ranges.

It is a peak signal-to-noise ratio of 60 dB. The errors of a network itself are far larger.
"""

SIDE = {2: 192, 3: 48}
"""LR pixels a side of the sample, for each number of spatial axes."""


def chosen_precision(
    asked: str,
    model: SuperResolver,
    reader: Reader,
    device: torch.device,
    *,
    scene: Tensor | None = None,
) -> str:
    """Return the name of a precision in `DTYPES`.

    ``auto`` is the fastest that is near enough to float32. A sample from the middle of this scene
    must differ by no more than `TOLERANCE`. The log says by how much it does.
    """
    if asked in DTYPES:
        return asked
    if asked != "auto":
        raise Mistake(f"precision is {asked}; give auto, {', '.join(DTYPES)}.")
    sample = sample_of(model, reader, SIDE[model.card.spatial_dims]).numpy()
    exact, seconds = _timed(model, sample, "32", device, scene)
    best, shortest = "32", seconds
    span = max(high - low for low, high in model.card.training_range)
    faster = ["bf16"] if device.type == "cpu" else ["bf16", "16"]
    for name in faster:
        picture, taken = _timed(model, sample, name, device, scene)
        squares = np.square(picture - exact, dtype=np.float64)
        error = float(np.sqrt(squares.mean())) / span
        log.info(
            "precision %s: %.2f times as fast as float32, and %.2g of the range beside it "
            "(%.2g are allowed)",
            name, seconds / taken, error, TOLERANCE,
        )  # fmt: skip
        if error <= TOLERANCE and taken < shortest:
            best, shortest = name, taken
    log.info("precision %s is taken", best)
    return best


def _timed(
    model: SuperResolver, sample: np.ndarray, name: str, device: torch.device, scene: Tensor | None
) -> tuple[np.ndarray, float]:
    """Return SR of a sample, and the shorter time of two."""
    predict = Predictor(model, device=device, scene=scene, precision=DTYPES[name])
    shortest = inf
    for _ in range(3):  # the first one warms up
        begin = time.perf_counter()
        picture = predict(sample)
        shortest = min(shortest, time.perf_counter() - begin)
    return picture, shortest
