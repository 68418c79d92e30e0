"""Weights of classification networks that torchvision publishes."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from srlab.mistakes import MissingFile, Mistake

PATIENCE = 15.0
"""Seconds without a byte after which a download is given up."""


def fill(network: nn.Module, names: Mapping[str, str], *, weights: str, published: str) -> None:
    """Fill a network with weights; `names` maps its tensors' names to torchvision's.

    - ``pretrained``: torchvision's file, from its cache or downloaded into it; `published` is its name there, as
      ``VGG19_Weights.IMAGENET1K_V1``.
    - ``random``: He-normal weights of a fixed seed (He et al. 2015, eq. 10) and no biases: a baseline, and for tests.
    - a path: a torchvision state dict, ``.safetensors`` or pickled; no code in it is run.
    """
    if weights == "random":
        _randomise(network)
        return
    state, origin = (
        _pretrained(published) if weights == "pretrained" else _read(Path(weights).expanduser())
    )
    own = network.state_dict()
    wrong = [
        theirs for ours, theirs in names.items() if _shape(state.get(theirs)) != own[ours].shape
    ]
    if wrong:
        raise Mistake(
            f"{origin} does not hold the weights of torchvision's {published.partition('_')[0]}: {len(wrong)} of "
            f"{len(names)} tensors are missing or of another shape, as {wrong[0]}; give its state dict."
        )
    network.load_state_dict({ours: state[theirs] for ours, theirs in names.items()})


def _randomise(network: nn.Module) -> None:
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _pretrained(published: str) -> tuple[Mapping[str, Any], Path]:
    from torchvision.models import get_weight  # takes two seconds

    source = get_weight(published)
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(source.url).name
    if path.is_file():
        return _read(path)
    try:
        with _impatient():
            # torch writes under another name, and gives the file its own only once its hash is right
            return source.get_state_dict(
                check_hash=True, map_location="cpu", weights_only=True
            ), path
    except (OSError, RuntimeError, HTTPException) as error:
        raise Mistake(
            f"{path.name} could not be downloaded ({' '.join(str(error).split())}); fetch {source.url} elsewhere and "
            f"set the term's weights=PATH or put it into {path.parent}, or do without by weights=random."
        ) from error


@contextmanager
def _impatient() -> Iterator[None]:
    """Let no connection wait without end, as where a firewall swallows packets."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _read(path: Path) -> tuple[Mapping[str, Any], Path]:
    if not path.is_file():
        raise MissingFile(
            f"there are no weights at {path}; weights is pretrained, random, or the path of a torchvision state dict."
        )
    try:
        if path.suffix == ".safetensors":
            return load_file(path), path
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file may raise anything
        reason = " ".join(str(error).split())[:200]
        raise Mistake(
            f"{path} carries more than tensors, or it is damaged, and nothing in it was run: {reason}; fetch it again."
        ) from error
    return (content if isinstance(content, Mapping) else {}), path


def _shape(value: object) -> torch.Size | None:
    return value.shape if isinstance(value, Tensor) else None
