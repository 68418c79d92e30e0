"""The values of all chosen metrics by name, for each image and for all images together."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from srlab.metrics.protocol import InUnit, Metric, Pooled, ScoringContext
from srlab.mistakes import Mistake

Table = Mapping[str, Tensor]
"""The values ``(N,)`` of N images for each score, by the name of the score."""


def scores(
    metrics: Mapping[str, Metric], sr: Tensor, hr: Tensor, context: ScoringContext
) -> dict[str, Tensor]:
    """Return the values ``(B,)`` of all metrics for SR and HR ``(B, C, *S)``, by name.

    A metric with a single value has its own name, such as ``psnr``. If it has several values, their
    names are added, such as ``mae_B04``.

    Raises the `Mistake` of a metric again, with the metric's name before its message.
    """
    by_label: dict[str, Tensor] = {}
    for name, metric in metrics.items():
        try:
            values = metric(sr, hr, context)
        except Mistake as error:
            raise Mistake(f"metric.{name}: {error}") from error
        if isinstance(values, Tensor):
            values = {"": values}
        for part, value in values.items():
            label = f"{name}_{part}" if part else name
            by_label[label] = value
    return by_label


def means(
    metrics: Mapping[str, Metric], tables: Mapping[str, Table]
) -> dict[str, dict[str, Tensor]]:
    """Return the scores of all images together, for each method of super-resolution.

    `tables` has the values of each method. A score is the mean over images, without NaN and
    infinite values.

    A `Pooled` metric, such as PSNR, is infinite for an exact image, in which SR equals HR. If a
    method makes any image exact, the score is computed from the mean squared error instead. This
    is done for all methods, so that they remain comparable.
    """
    pool: set[str] = set()
    for table in tables.values():
        pool |= {label for label, values in table.items() if exact(values)}

    results: dict[str, dict[str, Tensor]] = {method: {} for method in tables}
    for method, table in tables.items():
        for label, values in table.items():
            metric = _metric_of(label, metrics)
            results[method][label] = overall(metric, values, pool=label in pool)
    return results


def overall(metric: Metric, values: Tensor, *, pool: bool) -> Tensor:
    """Return the score of several images together, from their values ``(N,)``.

    If `pool` is true and the metric allows it, the score is that of the mean squared error.
    """
    if pool and isinstance(metric, Pooled):
        return metric.pooled(values[values > -torch.inf])
    return values[values.isfinite()].mean()


def exact(values: Tensor) -> int:
    """Return the number of exact images, from the values ``(N,)`` of a `Pooled` metric."""
    return int((values == torch.inf).sum())


def remarks(metrics: Mapping[str, Metric], table: Table) -> list[str]:
    """Return lines that explain exact images and missing values in a table of scores."""
    lines = []
    for label, values in table.items():
        number = exact(values)
        missing = int((~values.isfinite()).sum())
        if number and isinstance(_metric_of(label, metrics), Pooled):
            lines.append(
                f"{label}: {number} of {len(values)} exact, so scores are of the mean squared "
                "error of all"
            )
        elif missing:
            lines.append(f"{label}: {missing} of {len(values)} have no value and are left out")
    return lines


def unit_of(label: str, metrics: Mapping[str, Metric]) -> str:
    """Return the unit of a score, such as ``dB``; empty if its metric declares none."""
    metric = _metric_of(label, metrics)
    return metric.unit if isinstance(metric, InUnit) else ""


def _metric_of(label: str, metrics: Mapping[str, Metric]) -> Metric:
    """Return the metric of a score; the name of the score begins with that of the metric."""
    names = [name for name in metrics if label == name or label.startswith(f"{name}_")]
    longest = max(names, key=len)  # "psnr_y" begins with "psnr", too
    return metrics[longest]
