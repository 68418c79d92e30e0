"""Opened models, and what several models that are averaged must have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import lcm

import numpy as np
from torch import Tensor

from srlab.mistakes import Mistake
from srlab.models.super_resolver import SuperResolver
from srlab.prediction.grid.tiles import TileGrid
from srlab.prediction.request import Request


@dataclass(frozen=True)
class Opened:
    """A model, and the file that it was opened from."""

    path: str
    model: SuperResolver


def check_alike(models: Sequence[Opened]) -> None:
    """Raise a `Mistake` unless all models take the same kind of input and give the same output."""
    first = models[0]
    for other in models[1:]:
        for name in ("scale", "input_names", "output_names", "guides", "dates", "across"):
            wanted, got = getattr(first.model.card, name), getattr(other.model.card, name)
            if wanted != got:
                raise Mistake(
                    f"{first.path} and {other.path} cannot be averaged: their {name} is {wanted} "
                    f"and {got}; name models of one kind."
                )


def common_grid(grids: Sequence[TileGrid]) -> TileGrid:
    """Return one grid for several models: with the widest overlap, and reads that suit them all.

    All `grids` must join their tiles in the same way.
    """
    overlaps = [grid.overlap for grid in grids]
    cells = [grid.multiple_of for grid in grids]
    return replace(
        grids[0],
        overlap=tuple(np.max(overlaps, axis=0).tolist()),
        multiple_of=tuple(map(lcm, *cells)),
    )


def projected(model: SuperResolver, request: Request) -> SuperResolver:
    """Return a model whose SR agrees with LR, if the request asks for one."""
    if request.parts and not (request.project or model.agreement):
        raise Mistake("parts=true needs project=true: only a projected output has two parts.")
    if not request.project:
        return model
    return model.projected(request.degradation, trust=request.trust)


def noises(model: SuperResolver, request: Request) -> tuple[Tensor | None, ...]:
    """Draw the noise of each sample; their seeds follow each other from `noise_seed`."""
    if request.samples == 1:
        seed = request.noise_seed
        return (None if seed is None else model.draw_noise(seed),)
    first = request.noise_seed or 0
    return tuple(model.draw_noise(first + number) for number in range(request.samples))
