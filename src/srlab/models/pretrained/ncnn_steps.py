"""The arithmetic of an ncnn graph as a normalised list of steps.

Exporters write the same network in different ways. A layer may contain its activation or be
followed by it, and a factor may be a layer of its own. Layers and their settings are those of
ncnn's developer guide ("operators").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from srlab.models.pretrained.ncnn import Layer

LINEAR = 1.0
"""The slope below zero of a convolution without activation."""

Term = tuple[int, float]
"""The number of a step from 1, or 0 for the image, and the factor of its result."""

_PLAIN = {1: 3, 4: 1, 5: 1}
"""The settings of a convolution of 3 × 3 pixels, padded by 1, with a bias."""

_USUAL = {2: 1, 3: 1, 8: 0, 11: 3, 12: 1, 13: 1, 14: 1, 15: 1, 16: 1, 18: 0, 19: 0}
"""Its settings that may be omitted: square kernel, no dilation, no stride, float weights."""

_ADD, _MULTIPLY = 0, 2
"""The operations of a BinaryOp; for an Eltwise, 0 multiplies and 1 adds."""

_RESIZES = {1: "nearest", 3: "bicubic"}


@dataclass(frozen=True)
class Step:
    """One operation on the results of earlier ones."""

    does: str
    takes: tuple[Term, ...]

    setting: float = 0.0
    """The slope of a convolution's activation, or the factor of a change of size."""

    layer: str = field(default="", compare=False)


def steps_of(layers: Sequence[Layer]) -> list[Step]:
    """Translate a graph; raises a `ValueError` that names a layer without a translation."""
    graph = _Graph()
    for layer in layers:
        graph.add(layer)
    return graph.steps


class _Graph:
    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.arrays: dict[str, Term] = {}

    def add(self, layer: Layer) -> None:
        """Translate the next layer."""
        strange = [name for name in layer.takes if name not in self.arrays]
        if strange:
            raise ValueError(f"the layer {layer.name} takes {strange[0]}, which nothing gives")
        terms = tuple(self.arrays[name] for name in layer.takes)
        self.arrays |= dict.fromkeys(layer.gives, self._result(layer, terms))

    def _result(self, layer: Layer, terms: tuple[Term, ...]) -> Term:
        match layer.kind, terms:
            case "Input", () if not self.arrays:
                return 0, 1.0
            case "Split" | "Noop", (term,):
                return term
            case "ReLU", (term,):
                return self._activated(layer, term)
            case "BinaryOp", ((step, factor),) if _binary(layer) == (_MULTIPLY, 1):
                return step, _rounded(factor * layer.number(2, 0))
            case "BinaryOp", (_, _) if _binary(layer) == (_ADD, 0):
                return self._step(layer, "sum", tuple(sorted(terms)))
            case "Eltwise", (_, *_) if layer.number(0, 0) == 1:
                return self._sum(layer, terms)
            case "Convolution", (_,) if _is_plain(layer):
                return self._step(layer, "convolution", terms, _slope(layer))
            case "PReLU", (_,):
                return self._step(layer, "prelu", terms)
            case "Concat", (_, *_) if layer.number(0, 0) == 0:
                return self._step(layer, "concatenation", terms)
            case "PixelShuffle", (_,) if layer.number(1, 0) == 0:
                return self._step(layer, "shuffle", terms, layer.number(0, 1))
            case "Reorg", (_,) if layer.number(1, 0) == 0:
                return self._step(layer, "unshuffle", terms, layer.number(0, 1))
            case "Interp", (_,) if (way := _resize(layer)) is not None:
                return self._step(layer, way, terms, _rounded(layer.number(1, 1)))
        raise ValueError(f"its layer {layer.name} ({layer.kind}) is like none of theirs")

    def _step(self, layer: Layer, does: str, terms: tuple[Term, ...], setting: float = 0.0) -> Term:
        self.steps.append(Step(does, terms, setting, layer.name))
        return len(self.steps), 1.0

    def _activated(self, layer: Layer, term: Term) -> Term:
        """Add the slope of a separate activation layer to the convolution before it."""
        number, factor = term
        if number < 1 or factor != 1:
            raise ValueError(f"its layer {layer.name} is an activation of no convolution")
        before = self.steps[number - 1]
        if (before.does, before.setting) != ("convolution", LINEAR):
            raise ValueError(f"its layer {layer.name} is an activation of no convolution")
        self.steps[number - 1] = replace(before, setting=_rounded(layer.number(0, 0)))
        return term

    def _sum(self, layer: Layer, terms: tuple[Term, ...]) -> Term:
        factors = layer.settings.get(1, (1.0,) * len(terms))
        weighted = [
            (step, _rounded(factor * own))
            for (step, factor), own in zip(terms, factors, strict=True)
        ]
        return self._step(layer, "sum", tuple(sorted(weighted)))


def _rounded(value: float) -> float:
    """Round 0.199999 to 0.2: the text of a graph has about six digits."""
    return round(value, 5)


def _binary(layer: Layer) -> tuple[float, float]:
    """Return the operation of a BinaryOp, and 1 if its second operand is a number."""
    return layer.number(0, 0), layer.number(1, 0)


def _is_plain(layer: Layer) -> bool:
    """Whether a convolution is of the kind in all networks of Real-ESRGAN."""
    given = all(layer.number(key, 0) == value for key, value in _PLAIN.items())
    return given and all(layer.number(key, value) == value for key, value in _USUAL.items())


def _slope(layer: Layer) -> float:
    """Return the slope below zero of the activation that a convolution contains."""
    kind = layer.number(9, 0)
    if kind == 0:
        return LINEAR
    if kind == 1:
        return 0.0
    if kind == 2:
        return _rounded(layer.number(10, 0))
    raise ValueError(f"its layer {layer.name} holds an activation like none of theirs")


def _resize(layer: Layer) -> str | None:
    """Return the interpolation of an Interp; None if it does not scale by a single factor."""
    same = layer.number(1, 1) == layer.number(2, 1)
    if not same or any(layer.number(key, 0) for key in (3, 4, 5, 6)):
        return None
    return _RESIZES.get(int(layer.number(0, 0)))
