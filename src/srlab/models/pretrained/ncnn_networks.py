"""Recognition of the networks of Real-ESRGAN in ncnn's graphs.

The steps of a graph must be exactly those of a known network: the same arithmetic on the same
arrays. Its convolutions, in order, then get the names that BasicSR gives them.
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
"""The factor of what a dense block adds to its input."""


@dataclass(frozen=True)
class NcnnNetwork:
    """The tensors of a network under BasicSR's names."""

    tensors: dict[str, Tensor]

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
        if steps and steps[-1].does == "bicubic":
            reduction = steps[-1].setting
            steps = steps[:-1]
        known = _known(layers, steps)
        _compare(steps, known)
    except (ValueError, OverflowError) as error:
        raise Mistake(
            f"{graph} is none of the networks of Real-ESRGAN, which alone are read from ncnn: "
            f"{shortened(error, 200)}."
        ) from error
    tensors: dict[str, Tensor] = {}
    for name, arrays in zip(known.names, read_arrays(weights, layers), strict=True):
        tensors |= dict(zip((f"{name}.weight", f"{name}.bias"), arrays, strict=False))
    return NcnnNetwork(tensors, reduction)


def _known(layers: Sequence[Layer], steps: Sequence[Step]) -> _Network:
    """Return the known network with the size of a graph."""
    shapes = [filters(layer) for layer in layers if layer.kind == "Convolution"]
    if not shapes:
        raise ValueError("it has no convolution")
    outputs, inputs = shapes[-1][0], shapes[0][1]
    does = [step.does for step in steps]
    if "prelu" in does:
        return _compact(does.count("prelu") - 1, scale=isqrt(outputs // inputs))
    stages = does.count("nearest")
    blocks = (len(shapes) - 4 - stages) // 15
    return _rrdb(blocks, stages, unshuffle=isqrt(inputs // outputs))


def _compare(steps: Sequence[Step], known: _Network) -> None:
    for step, expected in zip_longest(steps, known.steps):
        if step is None:
            raise ValueError(f"it ends where {known.origin} has a {expected.does} more")
        if step != expected:
            raise ValueError(f"{known.origin} has no such {step.does} as its layer {step.layer}")


class _Network:
    """A network's steps, and the published names of those with weights."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.steps: list[Step] = []
        self.names: list[str] = []

    def step(self, does: str, *takes: int, setting: float = 0.0) -> int:
        """Add a step on the results of others, and return its number."""
        return self._noted(Step(does, tuple((number, 1.0) for number in takes), setting))

    def weighted(self, does: str, name: str, image: int, setting: float = 0.0) -> int:
        """Add a step that has weights."""
        self.names.append(name)
        return self.step(does, image, setting=setting)

    def sum(self, *terms: Term) -> int:
        """Add a sum of results, each times a factor."""
        return self._noted(Step("sum", tuple(sorted(terms))))

    def _noted(self, step: Step) -> int:
        self.steps.append(step)
        return len(self.steps)


def _compact(blocks: int, *, scale: int) -> _Network:
    """SRVGGNetCompact (Wang et al. 2021): convolutions, a pixel shuffle, and the enlarged input."""
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
    """RRDBNet (Wang et al. 2018): dense blocks, and stages that double the size."""
    network = _Network("an RRDBNet")
    image = 0
    if unshuffle > 1:
        image = network.step("unshuffle", image, setting=unshuffle)
    image = shallow = network.weighted("convolution", "conv_first", image, LINEAR)
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
    """A residual dense block: five convolutions, each of which takes all results before it."""
    seen = [image]
    for n in range(1, 5):
        seen.append(network.weighted("convolution", f"{name}.conv{n}", _all(network, seen), LEAKY))
    deep = network.weighted("convolution", f"{name}.conv5", _all(network, seen), LINEAR)
    return network.sum((deep, RESIDUAL), (image, 1.0))


def _all(network: _Network, results: Sequence[int]) -> int:
    if len(results) == 1:
        return results[0]
    return network.step("concatenation", *results)
