"""The SR of the core of a tile: each layer computes no more than later layers need.

A tile is a core with an overlap around it, which gives the network its context. The SR of the
overlap is discarded. The deeper a layer is, the less of the overlap it needs, and the costly
upsampling at the end needs almost none. Cropping in between changes the core by rounding only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from weakref import WeakKeyDictionary

import torch.nn.functional as F
from torch import Tensor, nn

from srlab.nn.collapsing import Collapsed
from srlab.nn.reach import Radii, exact_copy, measured_reach

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
    last_layers: nn.Sequential,
    skip: Callable[[Tensor], Tensor | None],
    long_skip: bool = True,
    collapsed: Collapsed | None = None,
) -> Tensor:
    """Return SR of LR ``(B, C, *S)`` without its `spare` LR pixels.

    `head` computes features of LR, and `stages` follow in sequence. All of these keep the size.
    With `long_skip` the features of the head are then added. `last_layers` turn the features into
    SR, or `collapsed` does, which stands for them. `skip` takes the cropped LR, and returns what is
    added to SR, if anything.
    """
    shallow = head(lr)
    *before_stages, before_finish = _needed(stages, last_layers, shallow.shape[1], scale)
    features, left = shallow, spare
    for stage, needed in zip(stages, before_stages, strict=True):
        features, left = _cut(features, left, needed)
        features = stage(features)
    features, left = _cut(features, left, before_finish)
    if long_skip:
        features = features + without(shallow, spare, left)
    lr = without(lr, spare, left)
    if collapsed is not None and _is_within(collapsed.radius, left):
        sr = collapsed(features, lr)
        left = _less(left, collapsed.radius)
    else:
        sr = last_layers(features)
        added = skip(lr)
        if added is not None:
            sr = sr + added
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


def _is_within(radius: Sequence[int], spare: Spare) -> bool:
    """Whether all pixels that a kernel needs around a core are there."""
    return all(reach <= min(sides) for reach, sides in zip(radius, spare, strict=True))


def _less(spare: Spare, radius: Sequence[int]) -> Spare:
    """Return what is left of spare pixels after a convolution without padding."""
    pairs = zip(spare, radius, strict=True)
    return tuple((before - reach, after - reach) for (before, after), reach in pairs)


def _needed(
    stages: Sequence[Layers],
    last_layers: nn.Sequential,
    channels: int,
    scale: Sequence[int],
) -> list[Radii]:
    """Return the pixels around a core that matter before each stage, and before the last layers."""
    key = last_layers[-1]
    if key not in _known:
        _known[key] = _measured(stages, last_layers, channels, scale)
    return _known[key]


def _measured(
    stages: Sequence[Layers],
    last_layers: nn.Module,
    channels: int,
    scale: Sequence[int],
) -> list[Radii]:
    """Measure what `_needed` returns, from the last layers to the first."""
    everything: Radii = (None,) * len(scale)
    if not stages:
        return [everything]
    reach = _reach_of(last_layers, channels, scale)
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
    """Measure how far layers see; a plain function cannot be measured, and may see everything."""
    cells = (1,) * len(scale)
    if not isinstance(layers, nn.Module):
        return (None,) * len(cells)
    exact = exact_copy(layers)
    return measured_reach(exact, channels=channels, scale=scale, cells=cells, strips=STRIPS)


def _at_least(least: int, radii: Radii) -> Radii:
    return tuple(None if radius is None else max(radius, least) for radius in radii)


def _sum(first: Radii, second: Radii) -> Radii:
    """Add radii; the sum with a layer that sees everything is None, too."""
    pairs = zip(first, second, strict=True)
    return tuple(None if one is None or other is None else one + other for one, other in pairs)
