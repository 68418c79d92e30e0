"""The cost of a network: parameters, arithmetic, receptive field and memory."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed._tools.mem_tracker import MemTracker
from torch.utils.flop_counter import FlopCounterMode

from srlab.generators import receptive_field

HEADS = (
    "network",
    "parameters",
    "multiply-adds / HR pixel",
    "receptive field (LR px)",
    "peak memory, training",
)


@dataclass(frozen=True)
class NetworkSummary:
    """The cost of one network."""

    name: str
    parameters: int

    multiply_adds: float
    """The multiply-adds of a forward pass, for each HR pixel."""

    radius: tuple[int | None, ...] | None
    """The radius of the receptive field along each axis, in LR pixels.

    It is None along an axis that a layer sees as a whole, and None for a discriminator.
    """

    peak_bytes: int
    """The bytes of all tensors alive at once in a forward and backward pass, with parameters."""

    def row(self) -> tuple[str, ...]:
        """Return the cells of a row of the table."""
        return (
            self.name,
            f"{self.parameters:,}",
            f"{self.multiply_adds:,.0f}",
            _reach(self.radius),
            f"{self.peak_bytes / 2**20:,.0f} MiB",
        )


def summarise(
    network: Any, *, crop: Sequence[int], scale: Sequence[int], batch_size: int
) -> NetworkSummary:
    """Measure a network on batches ``(batch_size, C, *crop / scale)``.

    The scale of a discriminator is 1. Arithmetic and memory are counted on the meta device, where
    nothing is computed and no memory is allocated.
    """
    size = [side // factor for side, factor in zip(crop, scale, strict=True)]
    shadow = copy.deepcopy(network).to("meta").train()
    batch = torch.empty(batch_size, network.in_channels, *size, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        shadow(batch)
    return NetworkSummary(
        name=type(network).__name__,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        multiply_adds=counter.get_total_flops() / 2 / (batch_size * prod(crop)),
        radius=receptive_field(network) if hasattr(network, "scale") else None,
        peak_bytes=_peak_bytes(shadow, batch),
    )


def _peak_bytes(network: nn.Module, batch: Tensor) -> int:
    tracker = MemTracker()
    tracker.track_external(network, batch)
    with tracker:
        output = network(batch)
        heads = [output] if torch.is_tensor(output) else output.logits
        total = torch.stack([head.sum() for head in heads]).sum()
        if total.requires_grad:  # interpolation has nothing to train
            torch.autograd.backward([total])
    return int(tracker.get_tracker_snapshot("peak")[batch.device]["Total"])


def table(summaries: Sequence[NetworkSummary]) -> str:
    """Return the summaries as text, one line for each network."""
    rows = [HEADS, *(summary.row() for summary in summaries)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for name, *numbers in rows:
        cells = [name.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=True)]
        lines.append("  ".join(cells))
    return "\n".join(lines)


def _reach(radius: tuple[int | None, ...] | None) -> str:
    if radius is None:
        return "–"
    sides = ["everything" if reach is None else str(2 * reach + 1) for reach in radius]
    return " × ".join(sides) if len(set(sides)) > 1 else sides[0]
