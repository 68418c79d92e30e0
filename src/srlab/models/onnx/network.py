"""`OnnxNetwork`: the graph in an ONNX file, used as a generator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from srlab.mistakes import MissingFile, MissingPackage, Mistake
from srlab.models.messages import listed, shortened

TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
"""The types of images that a graph may take, by ONNX's names for them."""

CELLS = (1, 2, 4, 8, 16, 32)
"""The multiples to try, in LR pixels: some graphs only accept sizes that one of them divides."""

TRIED = (13, 11, 9)
"""The size of the trial image, in cells along each axis: odd numbers, all different."""


class OnnxNetwork(nn.Module):
    """A network from LR to SR in an ONNX file, computed by onnxruntime on the CPU.

    Maps ``(B, in_channels, *S)`` to ``(B, out_channels, *S·scale)`` for any size ``S``, one image
    after the other. The graph must have one input and one output, with dynamic sizes. Its scale is
    found by trials, as is the number of pixels by which each side must be divisible. An image of
    another size is padded with its border pixels, and the result is cropped.

    Raises a `Mistake` if the graph is not of this kind, or onnxruntime is not installed (``pip
    install 'srlab[onnx]'``).
    """

    noise_channels = None

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.graph = Graph(path)
        self.in_channels = self.graph.channels
        self.out_channels, self.scale, self.multiple_of = _tried(self.graph)

    def forward(self, lr: Tensor) -> Tensor:
        """Map LR to SR, both in the range of the graph; the result is on the device of `lr`."""
        on_cpu = lr.detach().float().cpu()
        images = F.pad(on_cpu, self._missing(lr.shape[2:]), mode="replicate")
        results = [self.graph(image[None]) for image in images.numpy()]
        sr = torch.from_numpy(np.concatenate(results)).to(lr)
        for axis, factor in enumerate(self.scale, start=2):
            sr = sr.narrow(axis, 0, lr.shape[axis] * factor)
        return sr

    def _missing(self, size: Sequence[int]) -> list[int]:
        """Return the padding up to the next multiples, as `torch.nn.functional.pad` takes it."""
        sides: list[int] = []  # the last axis comes first
        for length, cell in zip(size, self.multiple_of, strict=True):
            missing = -length % cell
            sides = [0, missing, *sides]
        return sides

    def get_extra_state(self) -> None:
        """Raise a `Mistake`, since a bundle cannot hold a graph."""
        raise Mistake(
            f"{self.graph.path} cannot be saved as another file; copy the ONNX file itself."
        )


class Graph:
    """A graph from one array to another.

    Copies of the object share one onnxruntime session. Unpickling reads the file again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.session = _session(path)
        self.metadata: dict[str, str] = self.session.get_modelmeta().custom_metadata_map
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            names = listed([array.name for array in (*inputs, *outputs)])
            raise Mistake(
                f"{path} has {len(inputs)} inputs and {len(outputs)} outputs ({names}); a model "
                "has one image as input and one as output."
            )
        self.input = inputs[0]
        if self.input.type not in TYPES:
            raise Mistake(
                f"{path} takes a {self.input.type}; a model takes tensor(float) or tensor(float16)."
            )
        _check_shape(path, self.input.shape)
        self.channels: int = self.input.shape[1]

    def __call__(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the graph on an image ``(1, C, *S)``; raises a `Mistake` if it does not accept it."""
        given = {self.input.name: np.ascontiguousarray(image, TYPES[self.input.type])}
        try:
            (result,) = self.session.run(None, given)
        except Exception as error:  # onnxruntime's errors have no common base class
            raise Mistake(
                f"{self.path} does not take an image of the size {image.shape[2:]}: "
                f"{shortened(error, 200)}"
            ) from error
        return np.asarray(result, np.float32)

    @property
    def spatial_dims(self) -> int:
        """2 for images, 3 for volumes and video."""
        return len(self.input.shape) - 2

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[type[Self], tuple[Path]]:
        return type(self), (self.path,)


def _session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingPackage(
            f"{path} is an ONNX file, which needs onnxruntime: pip install 'srlab[onnx]'."
        ) from error
    if not path.is_file():
        raise MissingFile(f"there is no model at {path}.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # errors are raised as a `Mistake`
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # a damaged file may raise anything
        raise Mistake(
            f"{path} is not an ONNX file that onnxruntime {onnxruntime.__version__} reads, or it "
            f"is damaged: {shortened(error, 200)}"
        ) from error


def _check_shape(path: Path, shape: Sequence[int | str | None]) -> None:
    """Raise a `Mistake` unless the input is a batch of images of any size with known channels.

    In `shape`, an axis of any length is None or a name.
    """
    listed_shape = ", ".join(map(str, shape))
    takes = f"{path} takes arrays of the shape ({listed_shape})"
    if len(shape) not in (4, 5):
        raise Mistake(f"{takes}; a model takes (batch, channels, height, width), or one axis more.")
    batch, channels, *size = shape
    if not isinstance(channels, int) or channels < 1:
        raise Mistake(f"{takes}, which does not tell the number of channels; export it with that.")
    fixed_size = any(isinstance(length, int) for length in size)
    fixed_batch = isinstance(batch, int) and batch != 1
    if fixed_size or fixed_batch:
        raise Mistake(f"{takes} alone; export it with free sizes (dynamic axes).")


def _tried(graph: Graph) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """Find by trials the number of output channels, the scale, and `OnnxNetwork.multiple_of`.

    A multiple is accepted if images of two sizes, which differ by one cell, have the same scale.
    """
    reasons = []
    for cell in CELLS:
        sizes = [cells * cell for cells in TRIED[: graph.spatial_dims]]
        larger = [size + cell for size in sizes]
        try:
            channels, scale = _result_of(graph, sizes)
            if (channels, scale) == _result_of(graph, larger):
                return channels, scale, (cell,) * graph.spatial_dims
        except Mistake as error:
            reasons.append(error)
            continue
        reasons.append(
            Mistake(f"{graph.path} makes an output that is no whole multiple of its input.")
        )
    raise reasons[0]


def _result_of(graph: Graph, size: Sequence[int]) -> tuple[int, tuple[int, ...]]:
    """Return the number of output channels and the scale for an image of zeros."""
    shape = graph(np.zeros((1, graph.channels, *size), np.float32)).shape
    divided = [divmod(out, own) for out, own in zip(shape[2:], size, strict=False)]
    if len(shape) != len(size) + 2 or any(rest for _, rest in divided):
        raise Mistake(
            f"{graph.path} makes an array of the shape {shape} of an image of the size "
            f"{tuple(size)}; a model enlarges every axis by a whole number."
        )
    return shape[1], tuple(factor for factor, _ in divided)
