"""The memory that a network takes for each pixel of a tile, and the tile that fits."""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from srlab.generators import multiple_of, noise_channels
from srlab.models.super_resolver import SuperResolver

BUDGET = 2**30
"""The bytes that ``tile="auto"`` may take on a CPU, beside the model."""

SHARE = 0.5
"""The share of a GPU's free memory that it may take."""

HELD = 1.5
"""Bytes that a layer holds for each byte of its input and output."""

LONGEST = {"cpu": {2: 288, 3: 128}, "cuda": {2: 1024, 3: 256}}
"""The most LR pixels a side, for each kind of device and number of spatial axes.

On a CPU a longer side saves no more than a few hundredths of the overlap.
"""

SHORTEST = {2: 64, 3: 32}

MOST_TILES, MOST_PIXELS = 16, 2**20
"""Tiles of a batch, and LR pixels in all of them. More are no faster and take more memory."""

SAMPLE = 8
"""LR pixels a side of the tile by which memory is measured, in cells of the network."""


def fitting_side(model: SuperResolver, device: torch.device) -> int:
    """Return the LR pixels a side of the largest tile whose layers fit into the memory."""
    dims = model.card.spatial_dims
    side = int((_budget(device) / bytes_per_pixel(model)) ** (1 / dims))
    longest = LONGEST["cuda" if device.type == "cuda" else "cpu"][dims]
    return max(min(side, longest), SHORTEST[dims])


def fitting_batch(model: SuperResolver, device: torch.device, pixels: int) -> int:
    """Return how many tiles of a number of LR `pixels` fit together; on a CPU one.

    A CPU computes tiles one by one, and gains nothing by more.
    """
    if device.type == "cpu":
        return 1
    fitting = int(_budget(device) / (bytes_per_pixel(model) * pixels))
    return max(min(fitting, MOST_TILES, MOST_PIXELS // pixels), 1)


def _budget(device: torch.device) -> float:
    """Return the bytes that may be taken."""
    if device.type == "cuda":
        return SHARE * torch.cuda.mem_get_info(device)[0]
    return float(BUDGET)


def bytes_per_pixel(model: SuperResolver) -> float:
    """Return the bytes that the largest layer holds for each LR pixel, in float32.

    A small tile goes through the network, and the values that enter and leave a layer are counted.
    """
    network: Any = model.get_submodule("generator")
    held: list[int] = []

    def note(layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        tensors = [each for each in (*inputs, output) if isinstance(each, Tensor)]
        held.append(sum(each.numel() for each in tensors))

    layers = [layer for layer in network.modules() if not any(layer.children())]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    sides = [SAMPLE * cell for cell in multiple_of(network)]
    inputs = [torch.zeros(1, network.in_channels, *sides)]
    channels = noise_channels(network)
    if channels is not None:
        inputs.append(torch.zeros(1, channels))
    try:
        with torch.no_grad():
            network(*(each.to(_device(network)) for each in inputs))
    finally:
        for hook in hooks:
            hook.remove()
    return HELD * 4 * max(held) / prod(sides)


def _device(network: nn.Module) -> torch.device:
    return next((each.device for each in network.parameters()), torch.device("cpu"))
