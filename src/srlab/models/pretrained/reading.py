"""Reading of weights files, of srlab or of others, without running the code in them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from srlab.mistakes import MissingFile, Mistake
from srlab.models.bundle import CARD_KEY, below, open_safetensors, read_bundle
from srlab.models.card import ModelCard
from srlab.models.messages import listed, shortened
from srlab.models.pretrained import ncnn
from srlab.models.pretrained.layouts import Layout, recognise
from srlab.models.pretrained.ncnn_networks import read_ncnn

WRAPPERS = ("params_ema", "params", "state_dict", "model")
"""The keys under which published files store tensors. Averaged weights (EMA) are preferred."""


@dataclass(frozen=True)
class WeightsFile:
    """The content of a weights file."""

    path: Path
    tensors: Mapping[str, Tensor]

    card: ModelCard | None = None
    """The model card; None for a published file."""

    layout: Layout | None = None
    """The layout of a published file; None if it is unknown."""

    reduction: float = 1.0
    """The factor of a bicubic reduction of the output at the end; 1 for most networks."""

    @property
    def origin(self) -> str:
        """The network that the file holds, for messages."""
        if self.card:
            return f"a {shortened(self.card.generator.get('_target_'), 90)}"
        if self.layout:
            return self.layout.origin
        return "tensors of an unknown network"


def read_weights(path: Path, *, own_names: Collection[str]) -> WeightsFile:
    """Read a bundle, a checkpoint, or a published file of PyTorch, safetensors or ncnn.

    `own_names` are the names of the generator's tensors. If the generator itself has the published
    names, the result has no layout, so that they are not translated.

    Raises a `Mistake` that names the file if it is missing or damaged, has no tensors or contains
    code.
    """
    if not path.is_file():
        raise MissingFile(
            f"there are no weights at {path}; give a model.safetensors, a .ckpt, or a published "
            ".pth, .pt, .safetensors or .param file."
        )
    if path.suffix in ncnn.SUFFIXES:
        return _of_ncnn(path)
    if path.suffix == ".safetensors":
        tensors, metadata = open_safetensors(path)
        content: object = metadata | tensors
    else:
        content = _unpickled(path)
    if isinstance(content, dict) and isinstance(content.get(CARD_KEY), str):
        return _with_card(path)
    tensors = _unwrapped(content, path)
    layout = recognise(tensors)
    if layout and layout.marks <= set(own_names):
        # The generator is from another package, which uses the published names.
        return WeightsFile(path, tensors)
    return WeightsFile(path, tensors, layout=layout)


def _of_ncnn(path: Path) -> WeightsFile:
    network = read_ncnn(path)
    layout = recognise(network.tensors)
    return WeightsFile(path, network.tensors, layout=layout, reduction=network.reduction)


def _with_card(path: Path) -> WeightsFile:
    if path.suffix not in (".safetensors", ".ckpt"):
        raise Mistake(f"{path} is a checkpoint of a run; give it a name that ends in .ckpt.")
    tensors, card = read_bundle(path)
    return WeightsFile(path, below(tensors, "generator."), card=card)


def _unpickled(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file may raise anything
        first_line = str(error).partition("\n")[0]
        reason = shortened(first_line)
        called = re.search(r"GLOBAL ([\w.]+)", str(error))
        if called:
            reason = f"it calls {called[1]}"
        raise Mistake(
            f"{path} carries more than tensors, or it is damaged, and nothing in it was run: "
            f"{reason}. Give weights in a .safetensors file, or in a .pth or .pt file of tensors "
            "alone."
        ) from error


def _unwrapped(content: object, path: Path) -> dict[str, Tensor]:
    """Return the named tensors of a file, without the dictionaries around them."""
    top: dict[Any, Any] = content if isinstance(content, dict) else {}
    parts = [*map(top.get, WRAPPERS), top]
    found = [tensors for tensors in map(_named_tensors, parts) if tensors]
    if not found:
        content_keys = listed([str(key) for key in top]) or type(content).__name__
        raise Mistake(
            f"{path} has no named tensors, at its top level or under {', '.join(WRAPPERS)}; it has "
            f"{content_keys}."
        )
    tensors = found[0]
    for name, tensor in tensors.items():
        if not _is_plain(tensor):
            raise Mistake(
                f"{path} has a tensor {shortened(name, 90)} that is no plain array of real numbers."
            )
    if all(name.startswith("module.") for name in tensors):  # saved from a DataParallel
        return below(tensors, "module.")
    return tensors


def _named_tensors(part: object) -> dict[str, Tensor]:
    """Return the tensors among the entries of a dictionary; none for any other object."""
    if not isinstance(part, dict):
        return {}
    return {
        name: value
        for name, value in part.items()
        if isinstance(name, str) and isinstance(value, Tensor)
    }


def _is_plain(tensor: Tensor) -> bool:
    """Whether a tensor is dense, real, not quantised and on the CPU."""
    dense = tensor.layout == torch.strided and not tensor.is_quantized
    return dense and not tensor.is_complex() and tensor.device.type == "cpu"
