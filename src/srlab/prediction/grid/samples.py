"""Samples from the middle of a scene, for measurements of a model on this very scene."""

from __future__ import annotations

import torch
from torch import Tensor

from srlab.io import Reader
from srlab.io.across import Order, Turned
from srlab.models.super_resolver import SuperResolver
from srlab.nn.holes import filled
from srlab.prediction.network.across import orders_for
from srlab.prediction.network.leading import Part


def sample_of(model: SuperResolver, reader: Reader, side: int) -> Tensor:
    """Return a sample ``(1, C, *S)`` from the middle of a scene, of at most `side` LR pixels."""
    order = orders_for(model.card, reader.description)[0]
    part = part_in_the_middle(model, reader, order)
    return middle(part, (side,) * model.card.spatial_dims)


def part_in_the_middle(model: SuperResolver, reader: Reader, order: Order) -> Part:
    """Return the part of a scene that lies in the middle of the axes that a model does not see."""
    others = order[: -model.card.spatial_dims]
    places = [reader.description.shape[axis] // 2 for axis in others]
    return Part(Turned(reader, order), places)


def middle(reader: Reader, size: tuple[int, ...]) -> Tensor:
    """Return a sample ``(1, C, ...)`` from the middle of the scene, of at most `size`."""
    window = []
    for length, side in zip(reader.description.shape, size, strict=True):
        start = max((length - side) // 2, 0)
        window.append(slice(start, min(start + side, length)))
    return torch.from_numpy(filled(reader.read(tuple(window))))[None]
