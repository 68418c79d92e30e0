"""Reading of ncnn's files: a network's graph as text (``.param``), and its weights (``.bin``).

ncnn's developer guide describes the format in "param and model file structure", and the settings of
layers in "operators". The files hold no code.
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
"""The most bytes of a graph that are read; a graph of a thousand layers has about 120 000."""

STORAGE = {0: torch.float32, 0x01306B47: torch.float16, 0x01348B83: torch.bfloat16}
"""The types of a convolution's weights, by the 32-bit word in front of them."""


@dataclass(frozen=True)
class Layer:
    """A line of a graph: one operation."""

    kind: str
    """The operation, such as ``Convolution``."""

    name: str

    inputs: tuple[str, ...]
    """The names of the arrays ("blobs") that the layer reads."""

    outputs: tuple[str, ...]
    """The names of the arrays that the layer makes."""

    settings: Mapping[int, tuple[float, ...]]
    """The settings of the operation, by ncnn's numbers for them."""

    def number(self, key: int, default: float) -> float:
        """Return a setting that is a single number."""
        (value,) = self.settings.get(key, (default,))
        return value

    def count(self, key: int) -> int:
        """Return a setting that must be a whole number of at least 1."""
        value = self.number(key, 0)
        if value < 1 or value != int(value):
            raise ValueError(f"the layer {self.name} has no size")
        return int(value)


def graph_and_weights(path: Path) -> tuple[Path, Path]:
    """Return the ``.param`` and the ``.bin`` of a network, of which `path` is one.

    Raises a `MissingFile` that names the one that is missing.
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
        counts, layers = lines[1], [_layer(line) for line in lines[2:]]
        if int(counts.split()[0]) != len(layers):
            raise ValueError(f"it has {len(layers)} layers, but its second line says {counts}")
    except (ValueError, IndexError, OverflowError) as error:
        raise Mistake(
            f"{path} is not the text of an ncnn graph, or it is damaged: {shortened(error, 100)}."
        ) from error
    return layers


def _layer(line: str) -> Layer:
    """Read a line: kind, name, the numbers of inputs and outputs, their names, and settings."""
    kind, name, input_count, output_count, *rest = line.split()
    first_output = int(input_count)
    first_setting = first_output + int(output_count)
    if not 0 <= first_output <= first_setting <= len(rest):
        raise ValueError(f"the layer {name} does not list as many arrays as it says")
    inputs, outputs = rest[:first_output], rest[first_output:first_setting]
    settings = dict(map(_setting, rest[first_setting:]))
    return Layer(kind, name, tuple(inputs), tuple(outputs), settings)


def _setting(text: str) -> tuple[int, tuple[float, ...]]:
    """Read a setting, which is a number such as ``0=64``, or an array such as ``-23310=1,0.2``.

    The array of this example has 1 number, and its key is 10.
    """
    key_text, _, value_text = text.partition("=")
    key = int(key_text)
    values = tuple(map(float, value_text.split(",")))
    if key > -23300:
        return key, values
    if len(values) != 1 + values[0]:
        raise ValueError(f"the array {text} does not have the length that it says")
    return -23300 - key, values[1:]


def read_arrays(path: Path, layers: Sequence[Layer]) -> list[tuple[Tensor, ...]]:
    """Read the weights of all layers that have any from a ``.bin``, as float32.

    A convolution has filters ``(out, in, height, width)`` and a bias. A PReLU has its slopes.

    Raises a `Mistake` if the file does not hold exactly the weights of the layers.
    """
    with path.open("rb") as file:
        source = _Source(path, file, path.stat().st_size)
        arrays = [_ARRAYS[layer.kind](source, layer) for layer in layers if layer.kind in _ARRAYS]
    if source.left:
        raise Mistake(
            f"{path} does not hold the weights of its .param: it has {source.left} bytes more than "
            "the layers need."
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
    """A file of weights, read from its start to its end."""

    path: Path
    file: BinaryIO

    left: int
    """The number of bytes that are not read yet."""

    def typed_array(self, shape: Sequence[int], layer: Layer) -> Tensor:
        """Read an array that follows a word for its type."""
        word = int.from_bytes(self._bytes(4, layer), "little")
        if word not in STORAGE:
            raise Mistake(
                f"{self.path} holds weights of a type that is not supported ({word:#010x}), such "
                "as whole numbers; give a file of float32 or float16."
            )
        return self.array(shape, layer, STORAGE[word])

    def array(
        self, shape: Sequence[int], layer: Layer, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Read an array, which is padded to a multiple of 4 bytes."""
        size = prod(shape) * dtype.itemsize
        padding = -size % 4
        content = self._bytes(size + padding, layer)[:size]
        return torch.frombuffer(content, dtype=dtype).reshape(*shape).float()

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
    return source.typed_array(shape, layer), source.array(shape[:1], layer)


def _of_prelu(source: _Source, layer: Layer) -> tuple[Tensor, ...]:
    return (source.array([layer.count(0)], layer),)


_ARRAYS: Mapping[str, Callable[[_Source, Layer], tuple[Tensor, ...]]] = {
    "Convolution": _of_convolution,
    "PReLU": _of_prelu,
}
