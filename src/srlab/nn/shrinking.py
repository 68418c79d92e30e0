"""The SR of the core of a tile: each layer computes no more than later layers need.

A tile is a core with an overlap around it, which gives the network its context. The SR of the
overlap is discarded. The deeper a layer is, the less of the overlap it needs, and the costly
upsampling at the end needs almost none. Cropping in between changes the core by rounding only.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlab.nn.reach import Radii, measured_reach

Spare = tuple[tuple[int, int], ...]
"""Pixels before and after the core along each spatial axis; their SR is discarded."""

STRIPS = (64, 256)
"""The lengths in pixels of the strips on which the reach of a stage is measured."""

INTERPOLATION_REACH = 2
"""LR pixels that the widest interpolation, the cubic one, sees on each side (Keys 1981)."""

Layers = Callable[[Tensor], Tensor]

_known: WeakKeyDictionary[nn.Module, list[Radii]] = WeakKeyDictionary()
"""The measured reach of a network's stages, by its last layer; it is independent of weights."""


def core_of(
    lr: Tensor,
    spare: Spare,
    *,
    scale: Sequence[int],
    head: Layers,
    stages: Sequence[Layers],
    upsampler: Sequence[nn.Module],
    join: Callable[[Tensor, Tensor], Tensor],
    long_skip: bool = True,
) -> Tensor:
    """Return SR of LR ``(B, C, *S)`` without its `spare` LR pixels.

    `head` computes features of LR, and `stages` follow in sequence. All of these keep the size.
    With `long_skip` the features of the head are then added. `upsampler` turns the features into
    SR. `join` takes that SR and the cropped LR, and adds the interpolated LR or part of it.
    """
    shallow = head(lr)
    finish = nn.Sequential(*upsampler)
    *before_stages, before_finish = _needed(stages, finish, shallow.shape[1], scale)
    features, left = shallow, spare
    for stage, needed in zip(stages, before_stages, strict=True):
        features, left = _cut(features, left, needed)
        features = stage(features)
    features, left = _cut(features, left, before_finish)
    if long_skip:
        features = features + without(shallow, spare, left)
    sr = join(finish(features), without(lr, spare, left))
    return without(sr, left, nothing(left), scale=scale)


def nothing(spare: Spare) -> Spare:
    """Return a spare of 0 pixels on each side, for as many axes as `spare` has."""
    return ((0, 0),) * len(spare)


def without(
    image: Tensor, spare: Spare, left: Spare, *, scale: Sequence[int] | None = None
) -> Tensor:
    """Cut an image ``(B, C, *S·scale)`` with `spare` LR pixels around it, so that `left` remain."""
    factors = scale or (1,) * len(spare)
    for axis, (before, after, factor) in enumerate(zip(spare, left, factors, strict=True), start=2):
        first = (before[0] - after[0]) * factor
        last = (before[1] - after[1]) * factor
        image = image.narrow(axis, first, image.shape[axis] - first - last)
    return image


def with_rim(image: Tensor, spare: Spare, *, scale: Sequence[int]) -> Tensor:
    """Pad an image ``(B, C, *S·scale)`` with zeros in place of its `spare` LR pixels."""
    pads: list[int] = []
    for (before, after), factor in zip(reversed(spare), reversed(scale), strict=True):
        pads += [before * factor, after * factor]
    return F.pad(image, pads)


def _cut(features: Tensor, spare: Spare, needed: Radii) -> tuple[Tensor, Spare]:
    """Cut features so that no more than the `needed` pixels are left on each side."""
    left = []
    for (before, after), radius in zip(spare, needed, strict=True):
        most = max(before, after) if radius is None else radius
        left.append((min(before, most), min(after, most)))
    return without(features, spare, tuple(left)), tuple(left)


def _needed(
    stages: Sequence[Layers],
    finish: nn.Sequential,
    channels: int,
    scale: Sequence[int],
) -> list[Radii]:
    """Return the pixels around a core that matter before each stage, and before the finish."""
    last_layer = finish[-1]
    if last_layer not in _known:
        _known[last_layer] = _measured(stages, finish, channels, scale)
    return _known[last_layer]


def _measured(
    stages: Sequence[Layers],
    finish: nn.Module,
    channels: int,
    scale: Sequence[int],
) -> list[Radii]:
    """Measure what `_needed` returns, from the last layers to the first."""
    everything: Radii = (None,) * len(scale)
    if not stages:
        return [everything]
    reach = _reach_of(finish, channels, scale)
    needed = [_at_least(INTERPOLATION_REACH, reach)]
    same_size = (1,) * len(scale)
    alike: dict[str, Radii] = {}
    # Nothing is cut before the first stage: the overlap is hardly wider than a network sees.
    for stage in reversed(stages[1:]):
        if str(stage) not in alike:
            alike[str(stage)] = _reach_of(stage, channels, same_size)
        needed.insert(0, _sum(needed[0], alike[str(stage)]))
    return [everything, *needed]


def _reach_of(layers: Layers, channels: int, scale: Sequence[int]) -> Radii:
    probe = copy.deepcopy(layers)
    if isinstance(probe, nn.Module):
        probe.eval().to(device="cpu", dtype=torch.float64)
    cells = (1,) * len(scale)
    return measured_reach(probe, channels=channels, scale=scale, cells=cells, strips=STRIPS)


def _at_least(least: int, radii: Radii) -> Radii:
    return tuple(None if radius is None else max(radius, least) for radius in radii)


def _sum(first: Radii, second: Radii) -> Radii:
    """Add radii; the sum with a layer that sees everything is None, too."""
    pairs = zip(first, second, strict=True)
    return tuple(None if one is None or other is None else one + other for one, other in pairs)
