"""ncnn's files: a network's graph as text (``.param``), and its weights beside it (``.bin``).

The format is described in ncnn's developer guide, "param and model file structure", and the layers'
settings in "operators". The files hold no code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from srlab.mistakes import MissingFile, Mistake
from srlab.models.messages import shortened

SUFFIXES = (".param", ".bin")

MAGIC = "7767517"
"""The first line of every graph."""

LONGEST = 16 * 2**20
"""The most bytes of a graph that are read; one of a thousand layers has some 120 000."""

STORAGE = {0: torch.float32, 0x01306B47: torch.float16, 0x01348B83: torch.bfloat16}
"""The types of a convolution's weights, by the word in front of them."""


@dataclass(frozen=True)
class Layer:
    """A line of a graph."""

    kind: str
    name: str

    takes: tuple[str, ...]
    """The names of the arrays (blobs) that come in."""

    gives: tuple[str, ...]
    """The names of the arrays that go out."""

    settings: Mapping[int, tuple[float, ...]]

    def number(self, key: int, default: float) -> float:
        """Return a setting that is one number."""
        (value,) = self.settings.get(key, (default,))
        return value

    def count(self, key: int) -> int:
        """Return a setting that is a whole number, of at least 1."""
        value = self.number(key, 0)
        if value < 1 or value != int(value):
            raise ValueError(f"the layer {self.name} has no size")
        return int(value)


def graph_and_weights(path: Path) -> tuple[Path, Path]:
    """Return the ``.param`` and the ``.bin`` of the network of which `path` is either.

    A `Mistake` names the one that is missing.
    """
    both = path.with_suffix(".param"), path.with_suffix(".bin")
    for half in both:
        if not half.is_file():
            raise MissingFile(
                f"there is no {half}; an ncnn network is a .param and a .bin of the same name."
            )
    return both


def read_graph(path: Path) -> list[Layer]:
    """Read the layers of a ``.param``, in the order in which they are computed."""
    with path.open("rb") as file:
        content = file.read(LONGEST)
    try:
        lines = content.decode(errors="replace").strip().splitlines()
        if lines[0].strip() != MAGIC:
            raise ValueError(f"its first line is not {MAGIC}")
        layers = [_layer(line) for line in lines[2:]]
        if int(lines[1].split()[0]) != len(layers):
            raise ValueError(f"it has {len(layers)} layers and says {lines[1]}")
    except (ValueError, IndexError, OverflowError) as error:
        raise Mistake(
            f"{path} is not the text of an ncnn graph, or it is damaged: {shortened(error, 100)}."
        ) from error
    return layers


def _layer(line: str) -> Layer:
    kind, name, inputs, outputs, *rest = line.split()
    ins, outs = int(inputs), int(outputs)
    if min(ins, outs) < 0 or ins + outs > len(rest):
        raise ValueError(f"the layer {name} has other arrays than it says")
    settings = dict(_setting(text) for text in rest[ins + outs :])
    return Layer(kind, name, tuple(rest[:ins]), tuple(rest[ins : ins + outs]), settings)


def _setting(text: str) -> tuple[int, tuple[float, ...]]:
    """Read ``0=64``, or ``-23310=1,0.2``: an array of one number under the key 10."""
    key, _, value = text.partition("=")
    number, values = int(key), tuple(map(float, value.split(",")))
    if number > -23300:
        return number, values
    if len(values) != 1 + values[0]:
        raise ValueError(f"the array {text} has another length")
    return -23300 - number, values[1:]


def read_arrays(path: Path, layers: Sequence[Layer]) -> list[tuple[Tensor, ...]]:
    """Read the float32 weights of those layers that have any, from a ``.bin``.

    A convolution has filters ``(out, in, height, width)`` and a bias, a PReLU its slopes. A
    `Mistake` says if the file does not hold exactly what the layers ask for.
    """
    with path.open("rb") as file:
        source = _Source(path, file, path.stat().st_size)
        arrays = [_ARRAYS[layer.kind](source, layer) for layer in layers if layer.kind in _ARRAYS]
    if source.left:
        raise Mistake(
            f"{path} is not the weights of its .param: it has {source.left} more bytes than its "
            "layers take."
        )
    return arrays


def filters(layer: Layer) -> tuple[int, ...]:
    """Return the shape ``(out, in, height, width)`` of a convolution's filters."""
    outer, width = layer.count(0), layer.count(1)
    height = int(layer.number(11, width))
    inner, rest = divmod(layer.count(6), outer * height * width)
    if rest or not inner:
        raise ValueError(f"the layer {layer.name} has no whole number of channels")
    return outer, inner, height, width


@dataclass
class _Source:
    """A file of weights, read from its begin to its end."""

    path: Path
    file: BinaryIO
    left: int

    def stored(self, shape: Sequence[int], layer: Layer) -> Tensor:
        """Read an array after the word that names its type."""
        word = int.from_bytes(self._bytes(4, layer), "little")
        if word not in STORAGE:
            raise Mistake(
                f"{self.path} holds weights of a type that is not read ({word:#010x}), such as "
                "whole numbers; give a file of float32 or float16."
            )
        return self.array(shape, layer, STORAGE[word])

    def array(
        self, shape: Sequence[int], layer: Layer, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Read an array, which ends on a multiple of 4 bytes."""
        size = prod(shape) * dtype.itemsize
        content = self._bytes(size + -size % 4, layer)
        return torch.frombuffer(content[:size], dtype=dtype).reshape(*shape).float()

    def _bytes(self, number: int, layer: Layer) -> bytearray:
        if number > self.left:
            raise Mistake(
                f"{self.path} ends before the weights of the layer {shortened(layer.name, 90)}: "
                "it is damaged, or belongs to another .param."
            )
        self.left -= number
        return bytearray(self.file.read(number))


def _of_convolution(source: _Source, layer: Layer) -> tuple[Tensor, ...]:
    shape = filters(layer)
    return source.stored(shape, layer), source.array(shape[:1], layer)


def _of_prelu(source: _Source, layer: Layer) -> tuple[Tensor, ...]:
    return (source.array([layer.count(0)], layer),)


_ARRAYS: Mapping[str, Callable[[_Source, Layer], tuple[Tensor, ...]]] = {
    "Convolution": _of_convolution,
    "PReLU": _of_prelu,
}
