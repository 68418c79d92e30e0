"""The arguments of a generator, found from the tensors of a published network."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import isqrt

from torch import Tensor, nn

from srlab.generators import RCAB, RRDB, Compact, MSRResNet, Residual
from srlab.mistakes import Mistake
from srlab.models.pretrained.fitting import published_enlargement
from srlab.models.pretrained.layouts import translate
from srlab.models.pretrained.reading import WeightsFile

Tensors = Mapping[str, Tensor]
"""A file's tensors, by the names of our generators."""

Sizes = dict[str, int | float]

LARGE = 256
"""The channels of the large EDSR, whose residual scale is 0.1 (Lim et al. 2017, sec. 3.3)."""


def sizes_of(file: WeightsFile) -> Sizes:
    """Return the constructor arguments of the generator for a file of a known layout.

    Arguments that do not show in the tensors have the values of the network's paper.

    Raises a `Mistake` if the tensors do not belong to the layout.
    """
    layout = file.layout
    assert layout is not None
    names = translate(layout, file.tensors, ())
    tensors = {ours: file.tensors[theirs] for theirs, ours in names.items() if ours is not None}
    try:
        return _SIZES[layout.kind](tensors)
    except (KeyError, IndexError, ValueError, ZeroDivisionError) as error:
        raise Mistake(
            f"{file.path} holds {layout.origin}, but its size cannot be found from its tensors: it "
            "is damaged, or a variant that srlab does not know."
        ) from error


def _of_compact(tensors: Tensors) -> Sizes:
    channels, inputs = tensors["head.0.weight"].shape[:2]
    scale = isqrt(len(tensors["tail.0.weight"]) // inputs)
    blocks = _count(tensors, r"trunk\.(\d+)\.0\.weight")
    return _ends(inputs, inputs, scale) | {"channels": channels, "blocks": blocks}


def _of_rrdb(tensors: Tensors) -> Sizes:
    channels, inputs = tensors["head.weight"].shape[:2]
    outputs = len(tensors["tail.weight"])
    unshuffle = isqrt(inputs // outputs)
    scale = published_enlargement(tensors) // unshuffle
    return _ends(outputs, outputs, scale) | {
        "channels": channels,
        "blocks": _count(tensors, r"trunk\.(\d+)\.blocks\.0\.convs\.0\.weight"),
        "growth_channels": len(tensors["trunk.0.blocks.0.convs.0.weight"]),
        "unshuffle": unshuffle,
    }


def _of_msrresnet(tensors: Tensors) -> Sizes:
    channels, inputs = tensors["head.0.weight"].shape[:2]
    blocks = _count(tensors, r"trunk\.(\d+)\.body\.0\.weight")
    ends = _ends(inputs, len(tensors["tail.weight"]), published_enlargement(tensors))
    return ends | {"channels": channels, "blocks": blocks}


def _of_residual(tensors: Tensors) -> Sizes:
    blocks = _count(tensors, r"network\.trunk\.(\d+)\.body\.0\.weight")
    sizes = _of_post_upsampling(tensors) | {"blocks": blocks}
    if sizes["channels"] >= LARGE:
        sizes["residual_scale"] = 0.1
    return sizes


def _of_rcab(tensors: Tensors) -> Sizes:
    sizes = _of_post_upsampling(tensors)
    squeezed = len(tensors["network.trunk.0.body.0.body.3.gate.1.weight"])
    return sizes | {
        "groups": _count(tensors, r"network\.trunk\.(\d+)\.body\.0\.body\.0\.weight"),
        "blocks": _count(tensors, r"network\.trunk\.0\.body\.(\d+)\.body\.0\.weight"),
        "reduction": int(sizes["channels"]) // squeezed,
    }


def _of_post_upsampling(tensors: Tensors) -> Sizes:
    channels, inputs = tensors["network.head.weight"].shape[:2]
    outputs = len(tensors["network.tail.weight"])
    return _ends(inputs, outputs, published_enlargement(tensors)) | {"channels": channels}


def _ends(inputs: int, outputs: int, scale: int) -> Sizes:
    return {"in_channels": inputs, "out_channels": outputs, "scale": scale}


def _count(tensors: Tensors, pattern: str) -> int:
    """Count the tensors whose names match a pattern."""
    return sum(re.fullmatch(pattern, name) is not None for name in tensors)


_SIZES: Mapping[type[nn.Module], Callable[[Tensors], Sizes]] = {
    Compact: _of_compact,
    RRDB: _of_rrdb,
    MSRResNet: _of_msrresnet,
    Residual: _of_residual,
    RCAB: _of_rcab,
}
