"""Every value of every chosen metric, by its name, for each image and for all together."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from srlab.metrics.protocol import InUnit, Metric, Pooled, ScoringContext
from srlab.mistakes import Mistake

Table = Mapping[str, Tensor]
"""The values ``(N,)`` of N images, by the name of the score."""


def scores(
    metrics: Mapping[str, Metric], sr: Tensor, hr: Tensor, context: ScoringContext
) -> dict[str, Tensor]:
    """Compare SR with HR, both ``(B, C, *S)``: ``(B,)`` for each name.

    A metric's only value has the metric's name, for example ``psnr``. One of several has its own
    name added, for example ``mae_B04``. A `Mistake` is told with the metric's name.
    """
    found: dict[str, Tensor] = {}
    for name, metric in metrics.items():
        try:
            values = metric(sr, hr, context)
        except Mistake as error:
            raise Mistake(f"metric.{name}: {error}") from error
        if isinstance(values, Tensor):
            values = {"": values}
        for part, value in values.items():
            label = f"{name}_{part}" if part else name
            found[label] = value
    return found


def means(
    metrics: Mapping[str, Metric], tables: Mapping[str, Table]
) -> dict[str, dict[str, Tensor]]:
    """The scores of all images together, for each of the methods that made them.

    A score is the mean over images. A NaN is no value, and is left out. So is an infinite value,
    since a single one would rule the mean. For a metric that is `Pooled`, such as PSNR, infinity
    says that an image is exact. If one is exact by any method, all methods have the value for the
    mean squared error of their images. So they can still be compared.
    """
    found: dict[str, dict[str, Tensor]] = {method: {} for method in tables}
    pool = {label for table in tables.values() for label in table if exact(table[label])}
    for method, table in tables.items():
        for label, values in table.items():
            metric = _metric_of(label, metrics)
            found[method][label] = overall(metric, values, pool=label in pool)
    return found


def overall(metric: Metric, values: Tensor, *, pool: bool) -> Tensor:
    """The value of several images together, from those of each, ``(N,)``; see `means`."""
    if pool and isinstance(metric, Pooled):
        return metric.pooled(values[values > -torch.inf])
    return values[values.isfinite()].mean()


def exact(values: Tensor) -> int:
    """The number of images that are exact, by the values ``(N,)`` of a metric that is `Pooled`."""
    return int((values == torch.inf).sum())


def remarks(metrics: Mapping[str, Metric], table: Table) -> list[str]:
    """What one must know to read the scores of images together, in lines."""
    lines = []
    for label, values in table.items():
        number, missing = exact(values), int((~values.isfinite()).sum())
        if number and isinstance(_metric_of(label, metrics), Pooled):
            lines.append(
                f"{label}: {number} of {len(values)} exact, so scores are of the mean squared "
                "error of all"
            )
        elif missing:
            lines.append(f"{label}: {missing} of {len(values)} have no value and are left out")
    return lines


def unit_of(label: str, metrics: Mapping[str, Metric]) -> str:
    """The unit of a score by its name, such as ``dB``; empty where it has none or the name says."""
    metric = _metric_of(label, metrics)
    return metric.unit if isinstance(metric, InUnit) else ""


def _metric_of(label: str, metrics: Mapping[str, Metric]) -> Metric:
    """The metric whose name a score's name is, or begins with."""
    names = [name for name in metrics if label == name or label.startswith(f"{name}_")]
    return metrics[max(names, key=len)]
