"""The reach of an input pixel into a generator's output."""

from __future__ import annotations

import copy
from typing import Any
from weakref import WeakKeyDictionary

import torch

from srlab.generators.protocol import multiple_of
from srlab.nn.reach import Radii, measured_reach

_STRIPS = (64, 256, 1024)
"""The strips in which the reach is looked for, in cells of `multiple_of` LR pixels."""

WIDEST_MARGIN = {2: 72, 3: 16}
"""The most LR pixels that `margin` takes for the sake of exactness, by the number of axes."""

_SHORT_STRIPS = {2: (64, 160), 3: (64,)}
"""Strips that suffice to compare the reach with `WIDEST_MARGIN`; long ones take more time."""

USUAL_MARGIN = {2: 16, 3: 8}
"""The margin in LR pixels around a network that sees further, by the number of axes."""

_known: WeakKeyDictionary[Any, dict[tuple[int, ...], Radii]] = WeakKeyDictionary()
"""The measured radii of each network, by strips; they do not depend on its weights."""


def margin(generator: Any) -> tuple[int, ...]:
    """LR pixels along each spatial axis by which an image is continued beyond its borders.

    It is the radius of the receptive field, so that no pixel of the image sees the padding of the
    network's own layers. Where that exceeds `WIDEST_MARGIN` or is unknown, it is `USUAL_MARGIN`.
    It is a multiple of `multiple_of`, rounded up, so that the cells of a network stay in place.
    """
    dims = len(generator.scale)
    pixels = []
    radii = _radii(generator, _SHORT_STRIPS[dims])
    for radius, cell in zip(radii, multiple_of(generator), strict=True):
        if radius is None or radius > WIDEST_MARGIN[dims]:
            radius = USUAL_MARGIN[dims]
        pixels.append(-(-radius // cell) * cell)
    return tuple(pixels)


def receptive_field(generator: Any) -> Radii:
    """Radius of the receptive field along each spatial axis, in LR pixels, rounded up.

    A tile with this much overlap gives what the whole image gives. None along an axis means that a
    layer sees everything, for example by global pooling. It also means that the radius exceeds 500
    pixels, or 500 times `multiple_of`, or that a layer cannot see a strip one pixel wide.

    It is measured in float64 and evaluation mode, see `srlab.nn.reach`.
    """
    return _radii(generator, _STRIPS)


def _radii(generator: Any, strips: tuple[int, ...]) -> Radii:
    """Measure the radius along each axis, once; None where no strip is long enough."""
    known = _known.setdefault(generator, {})
    if strips not in known:
        probe = copy.deepcopy(generator).eval().to(device="cpu", dtype=torch.float64)
        known[strips] = measured_reach(
            probe,
            channels=probe.in_channels,
            scale=probe.scale,
            cells=multiple_of(probe),
            strips=strips,
        )
    return known[strips]
