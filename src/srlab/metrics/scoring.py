"""Every value of every chosen metric, by its name."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from srlab.metrics.protocol import Metric, ScoringContext


def scores(
    metrics: Mapping[str, Metric], sr: Tensor, hr: Tensor, context: ScoringContext
) -> dict[str, Tensor]:
    """Compare SR with HR, both ``(B, C, *S)``: ``(B,)`` for each name.

    A metric's only value has the metric's name, for example ``psnr``. One of several has its own
    name added, for example ``mae_B04``.
    """
    found: dict[str, Tensor] = {}
    for name, metric in metrics.items():
        values = metric(sr, hr, context)
        if isinstance(values, Tensor):
            values = {"": values}
        for part, value in values.items():
            label = f"{name}_{part}" if part else name
            found[label] = value
    return found
