"""The arithmetic of an ncnn graph as a list of steps in a normal form.

Exporters write the same network in different ways. A convolution may contain its activation or be
followed by it, and a multiplication by a number may be a layer of its own. Two graphs of the same
network become the same steps. ncnn's developer guide describes the layers ("operators").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from srlab.models.pretrained.ncnn import Layer

LINEAR = 1.0
"""The slope below zero of the activation, for a convolution without activation."""

Term = tuple[int, float]
"""A result and a factor that multiplies it.

The result is the number of a step, counted from 1, or 0 for the input image.
"""

_REQUIRED = {1: 3, 4: 1, 5: 1}
"""The settings that a convolution must have: 3 × 3 pixels, padded by 1, with a bias."""

_DEFAULTS = {2: 1, 3: 1, 8: 0, 11: 3, 12: 1, 13: 1, 14: 1, 15: 1, 16: 1, 18: 0, 19: 0}
"""The settings that may be omitted: square kernel, no dilation, no stride, float weights."""

_ADD, _MULTIPLY = 0, 2
"""The operations of a BinaryOp."""

_ELTWISE_SUM = 1
"""The operation of an Eltwise that adds."""

_RESIZES = {1: "nearest", 3: "bicubic"}
"""The interpolations of an Interp."""


@dataclass(frozen=True)
class Step:
    """One operation on the results of earlier steps."""

    operation: str
    inputs: tuple[Term, ...]

    setting: float = 0.0
    """The slope of a convolution's activation below zero, or the factor of a resizing."""

    layer: str = field(default="", compare=False)
    """The name of the layer, for messages."""


def steps_of(layers: Sequence[Layer]) -> list[Step]:
    """Translate a graph; raises a `ValueError` that names a layer that cannot be translated."""
    graph = _Graph()
    for layer in layers:
        graph.add(layer)
    return graph.steps


class _Graph:
    """The steps of the layers that were translated so far."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.arrays: dict[str, Term] = {}  # by ncnn's names

    def add(self, layer: Layer) -> None:
        """Translate the next layer."""
        unknown = [name for name in layer.inputs if name not in self.arrays]
        if unknown:
            raise ValueError(
                f"the layer {layer.name} reads {unknown[0]}, which no layer before it makes"
            )
        terms = tuple(self.arrays[name] for name in layer.inputs)
        result = self._result(layer, terms)
        self.arrays |= dict.fromkeys(layer.outputs, result)

    def _result(self, layer: Layer, terms: tuple[Term, ...]) -> Term:
        """Return the result of a layer on `terms`, after adding a step for it if one is needed."""
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
            case "Eltwise", (_, *_) if layer.number(0, 0) == _ELTWISE_SUM:
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
            case "Interp", (_,) if (interpolation := _interpolation(layer)) is not None:
                return self._step(layer, interpolation, terms, _rounded(layer.number(1, 1)))
        raise ValueError(f"none of them has a layer like {layer.name} ({layer.kind})")

    def _step(
        self, layer: Layer, operation: str, terms: tuple[Term, ...], setting: float = 0.0
    ) -> Term:
        """Add a step, and return its result with the factor 1."""
        self.steps.append(Step(operation, terms, setting, layer.name))
        return len(self.steps), 1.0

    def _activated(self, layer: Layer, term: Term) -> Term:
        """Add the slope of a separate activation layer to the convolution before it."""
        number, factor = term
        is_step = number >= 1 and factor == 1
        before = self.steps[number - 1] if is_step else None
        if before is None or (before.operation, before.setting) != ("convolution", LINEAR):
            raise ValueError(f"its layer {layer.name} is an activation of no convolution")
        self.steps[number - 1] = replace(before, setting=_rounded(layer.number(0, 0)))
        return term

    def _sum(self, layer: Layer, terms: tuple[Term, ...]) -> Term:
        """Add a step for a sum in which each term may have a factor of its own."""
        own_factors = layer.settings.get(1, (1.0,) * len(terms))
        weighted = [
            (step, _rounded(factor * own))
            for (step, factor), own in zip(terms, own_factors, strict=True)
        ]
        return self._step(layer, "sum", tuple(sorted(weighted)))


def _rounded(value: float) -> float:
    """Round a number such as 0.199999 to 0.2: the text of a graph has about six digits."""
    return round(value, 5)


def _binary(layer: Layer) -> tuple[float, float]:
    """Return the operation of a BinaryOp, and 1 if its second operand is a number."""
    return layer.number(0, 0), layer.number(1, 0)


def _is_plain(layer: Layer) -> bool:
    """Whether a convolution is of the one kind that all networks of Real-ESRGAN use."""
    if any(layer.number(key, 0) != value for key, value in _REQUIRED.items()):
        return False
    return all(layer.number(key, value) == value for key, value in _DEFAULTS.items())


def _slope(layer: Layer) -> float:
    """Return the slope below zero of the activation that a convolution contains."""
    kind = layer.number(9, 0)
    if kind == 0:
        return LINEAR
    if kind == 1:
        return 0.0
    if kind == 2:
        return _rounded(layer.number(10, 0))
    raise ValueError(f"none of them has an activation like that of its layer {layer.name}")


def _interpolation(layer: Layer) -> str | None:
    """Return the interpolation of an Interp; None unless it scales both axes by one factor."""
    same_factor = layer.number(1, 1) == layer.number(2, 1)
    other_settings = any(layer.number(key, 0) for key in (3, 4, 5, 6))
    if not same_factor or other_settings:
        return None
    return _RESIZES.get(int(layer.number(0, 0)))
