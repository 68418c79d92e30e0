"""What a network costs: parameters, arithmetic, reach and memory."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn
from torch.distributed._tools.mem_tracker import MemTracker
from torch.utils.flop_counter import FlopCounterMode

from srlab.discriminators import Judgement
from srlab.nn.receptive_field import receptive_field


@dataclass(frozen=True)
class NetworkSummary:
    """The cost of one network."""

    name: str
    parameters: int

    multiply_adds: float
    """Of a forward pass, for each HR pixel."""

    radius: tuple[int | None, ...] | None
    """The receptive field's in LR pixels, None along an axis that a layer sees whole; None for a discriminator."""

    peak_bytes: int
    """Of the tensors alive at once in a forward and backward pass over a batch, the network's own among them."""


def summarise(
    network: nn.Module,
    *,
    in_channels: int,
    crop: Sequence[int],
    scale: Sequence[int],
    batch_size: int,
) -> NetworkSummary:
    """Measure a network on batches ``(batch_size, in_channels, *crop / scale)``; a discriminator's scale is 1.

    Arithmetic and memory are counted on the meta device: nothing is computed, and no memory is taken.
    """
    size = [side // factor for side, factor in zip(crop, scale, strict=True)]
    shadow = copy.deepcopy(network).to("meta").train()
    batch = torch.empty(batch_size, in_channels, *size, device="meta")
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
        heads = output.logits if isinstance(output, Judgement) else (output,)
        total = torch.stack([head.sum() for head in heads]).sum()
        if total.requires_grad:  # interpolation has nothing to train
            torch.autograd.backward([total])
    return int(tracker.get_tracker_snapshot("peak")[batch.device]["Total"])


def table(summaries: Sequence[NetworkSummary]) -> str:
    """The summaries as text, a network a line."""
    heads = (
        "network",
        "parameters",
        "multiply-adds / HR pixel",
        "receptive field (LR px)",
        "peak memory, training",
    )
    rows = [
        (
            summary.name,
            f"{summary.parameters:,}",
            f"{summary.multiply_adds:,.0f}",
            _reach(summary.radius),
            f"{summary.peak_bytes / 2**20:,.0f} MiB",
        )
        for summary in summaries
    ]
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(pairs)
        )
        for pairs in (list(zip(row, widths, strict=True)) for row in (heads, *rows))
    )


def _reach(radius: tuple[int | None, ...] | None) -> str:
    if radius is None:
        return "–"
    sides = ["everything" if reach is None else str(2 * reach + 1) for reach in radius]
    return " × ".join(sides) if len(set(sides)) > 1 else sides[0]
