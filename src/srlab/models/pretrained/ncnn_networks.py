"""Recognition of Real-ESRGAN's networks in ncnn's graphs.

The steps of a graph must be exactly those of a known network: the same arithmetic on the same
arrays. Its layers with weights then get the names that BasicSR gives them, in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from math import isqrt
from pathlib import Path

from torch import Tensor

from srlab.mistakes import Mistake
from srlab.models.messages import shortened
from srlab.models.pretrained.ncnn import Layer, filters, graph_and_weights, read_arrays, read_graph
from srlab.models.pretrained.ncnn_steps import LINEAR, Step, Term, steps_of

LEAKY = 0.2
"""The slope of a leaky ReLU."""

RESIDUAL = 0.2
"""The factor of the residual that a dense block adds to its input."""


@dataclass(frozen=True)
class NcnnNetwork:
    """The content of ncnn's two files."""

    tensors: dict[str, Tensor]
    """The tensors by BasicSR's names."""

    reduction: float
    """The factor of a bicubic reduction of the output at the end; 1 for most networks."""


def read_ncnn(path: Path) -> NcnnNetwork:
    """Read a network of Real-ESRGAN from its ``.param`` and ``.bin``; `path` is either of them.

    Raises a `Mistake` that names a damaged file, or the first layer that no known network has.
    """
    graph, weights = graph_and_weights(path)
    layers = read_graph(graph)
    try:
        steps = steps_of(layers)
        reduction = 1.0
        if steps and steps[-1].operation == "bicubic":
            reduction = steps[-1].setting
            steps = steps[:-1]
        known = _known(layers, steps)
        _compare(steps, known)
    except (ValueError, OverflowError) as error:
        raise Mistake(
            f"{graph} is none of the networks of Real-ESRGAN, and no others are read from ncnn: "
            f"{shortened(error, 200)}."
        ) from error

    tensors: dict[str, Tensor] = {}
    for name, arrays in zip(known.names, read_arrays(weights, layers), strict=True):
        parameters = (f"{name}.weight", f"{name}.bias")  # a PReLU has no bias
        tensors |= dict(zip(parameters, arrays, strict=False))
    return NcnnNetwork(tensors, reduction)


def _known(layers: Sequence[Layer], steps: Sequence[Step]) -> _Network:
    """Return the only known network that may have these layers, judging by their numbers."""
    shapes = [filters(layer) for layer in layers if layer.kind == "Convolution"]
    if not shapes:
        raise ValueError("it has no convolution")
    outputs, inputs = shapes[-1][0], shapes[0][1]
    operations = [step.operation for step in steps]
    if "prelu" in operations:
        return _compact(operations.count("prelu") - 1, scale=isqrt(outputs // inputs))
    stages = operations.count("nearest")
    # A block has 15 convolutions. Four others and one in each stage are outside of blocks.
    blocks = (len(shapes) - 4 - stages) // 15
    return _rrdb(blocks, stages, unshuffle=isqrt(inputs // outputs))


def _compare(steps: Sequence[Step], known: _Network) -> None:
    """Raise a `ValueError` that names the first step in which a graph differs from a network."""
    for step, expected in zip_longest(steps, known.steps):
        if step is None:
            raise ValueError(f"it ends where {known.origin} has a further {expected.operation}")
        if step != expected:
            raise ValueError(
                f"{known.origin} has no {step.operation} like that of its layer {step.layer}"
            )


class _Network:
    """The steps of a network, and the published names of those with weights.

    The result of a step is denoted by its number, counted from 1. The input image has the number 0.
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.steps: list[Step] = []
        self.names: list[str] = []

    def step(self, operation: str, *inputs: int, setting: float = 0.0) -> int:
        """Add a step on earlier results, and return its number."""
        terms = tuple((number, 1.0) for number in inputs)
        return self._added(Step(operation, terms, setting))

    def weighted(self, operation: str, name: str, image: int, setting: float = 0.0) -> int:
        """Add a step that has weights, and return its number."""
        self.names.append(name)
        return self.step(operation, image, setting=setting)

    def sum(self, *terms: Term) -> int:
        """Add a sum of results, each multiplied by a factor, and return its number."""
        return self._added(Step("sum", tuple(sorted(terms))))

    def _added(self, step: Step) -> int:
        self.steps.append(step)
        return len(self.steps)


def _compact(blocks: int, *, scale: int) -> _Network:
    """Return SRVGGNetCompact: convolutions, a pixel shuffle, and the enlarged input.

    Wang et al. 2021.
    """
    network = _Network("an SRVGGNetCompact")
    image = 0
    for n in range(blocks + 1):
        image = network.weighted("convolution", f"body.{2 * n}", image, LINEAR)
        image = network.weighted("prelu", f"body.{2 * n + 1}", image)
    image = network.weighted("convolution", f"body.{2 * blocks + 2}", image, LINEAR)
    fine = network.step("shuffle", image, setting=scale)
    network.sum((fine, 1.0), (network.step("nearest", 0, setting=scale), 1.0))
    return network


def _rrdb(blocks: int, stages: int, *, unshuffle: int) -> _Network:
    """Return RRDBNet (Wang et al. 2018): dense blocks, and stages that double the size."""
    network = _Network("an RRDBNet")
    image = 0
    if unshuffle > 1:
        image = network.step("unshuffle", image, setting=unshuffle)
    shallow = network.weighted("convolution", "conv_first", image, LINEAR)

    image = shallow
    for n in range(blocks):
        start = image
        for dense in (1, 2, 3):
            image = _dense(network, f"body.{n}.rdb{dense}", image)
        image = network.sum((image, RESIDUAL), (start, 1.0))
    deep = network.weighted("convolution", "conv_body", image, LINEAR)
    image = network.sum((shallow, 1.0), (deep, 1.0))

    for n in range(1, stages + 1):
        larger = network.step("nearest", image, setting=2)
        image = network.weighted("convolution", f"conv_up{n}", larger, LEAKY)
    image = network.weighted("convolution", "conv_hr", image, LEAKY)
    network.weighted("convolution", "conv_last", image, LINEAR)
    return network


def _dense(network: _Network, name: str, image: int) -> int:
    """Add a residual dense block: five convolutions, each of all results before it."""
    results = [image]
    for n in range(1, 5):
        everything = _concatenated(network, results)
        results.append(network.weighted("convolution", f"{name}.conv{n}", everything, LEAKY))
    everything = _concatenated(network, results)
    deep = network.weighted("convolution", f"{name}.conv5", everything, LINEAR)
    return network.sum((deep, RESIDUAL), (image, 1.0))


def _concatenated(network: _Network, results: Sequence[int]) -> int:
    if len(results) == 1:
        return results[0]
    return network.step("concatenation", *results)
