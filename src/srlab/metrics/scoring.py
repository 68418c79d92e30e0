"""Every value of every chosen metric, by its name."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from srlab.metrics.protocol import Metric, View


def scores(metrics: Mapping[str, Metric], sr: Tensor, hr: Tensor, view: View) -> dict[str, Tensor]:
    """Compare SR with HR, both ``(B, C, *S)``: ``(B,)`` for each name, as ``psnr``, or ``mae_B04`` if it is a part."""
    found: dict[str, Tensor] = {}
    for name, metric in metrics.items():
        value = metric(sr, hr, view)
        parts = value if isinstance(value, dict) else {"": value}
        found |= {f"{name}_{part}" if part else name: tensor for part, tensor in parts.items()}
    return found
