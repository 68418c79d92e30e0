"""Weights of classification networks that torchvision publishes."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from srlab.mistakes import MissingFile, Mistake

PATIENCE = 15.0
"""Seconds without a byte after which a download is given up."""

State = Mapping[str, Any]
"""Tensors by name, as they came out of a file: not checked yet."""


def fill(network: nn.Module, names: Mapping[str, str], *, weights: str, published: str) -> None:
    """Fill a network with `weights`; `names` maps the names of its tensors to torchvision's.

    - ``pretrained``: torchvision's file, from its cache or downloaded into it. `published` is its
      name there, for example ``VGG19_Weights.IMAGENET1K_V1``.
    - ``random``: He-normal weights of a fixed seed and no biases, as a baseline and for tests
      (He et al. 2015, eq. 10).
    - a path: a torchvision state dict, ``.safetensors`` or pickled. No code in it is run.
    """
    if weights == "random":
        _randomise(network)
        return
    if weights == "pretrained":
        state, origin = _pretrained(published)
    else:
        origin = Path(weights).expanduser()
        state = _read(origin)
    shapes = {ours: tensor.shape for ours, tensor in network.state_dict().items()}
    wrong = [
        theirs
        for ours, theirs in names.items()
        if getattr(state.get(theirs), "shape", None) != shapes[ours]
    ]
    if wrong:
        raise Mistake(
            f"{origin} does not hold the weights of torchvision's {published.partition('_')[0]}: "
            f"{len(wrong)} of {len(names)} tensors are missing or of another shape, for example "
            f"{wrong[0]}; give its state dict."
        )
    network.load_state_dict({ours: state[theirs] for ours, theirs in names.items()})


def _randomise(network: nn.Module) -> None:
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _pretrained(published: str) -> tuple[State, Path]:
    """Torchvision's state dict and the path of its file, downloaded if it is not there."""
    from torchvision.models import get_weight  # takes two seconds

    source = get_weight(published)
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(source.url).name
    if path.is_file():
        return _read(path), path
    try:
        with _impatient():
            # Torch downloads under another name, and renames the file once its hash is right.
            state = source.get_state_dict(
                check_hash=True,
                map_location="cpu",
                weights_only=True,
                progress=sys.stderr.isatty(),
            )
    except (OSError, RuntimeError, HTTPException) as error:
        raise Mistake(
            f"{path.name} could not be downloaded ({' '.join(str(error).split())}); fetch "
            f"{source.url} elsewhere and set the term's weights=PATH or put it into {path.parent}, "
            "or do without by weights=random."
        ) from error
    return state, path


@contextmanager
def _impatient() -> Iterator[None]:
    """Let no connection wait without end, for example where a firewall swallows packets."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _read(path: Path) -> State:
    if not path.is_file():
        raise MissingFile(
            f"there are no weights at {path}; weights is pretrained, random, or the path of a "
            "torchvision state dict."
        )
    try:
        if path.suffix == ".safetensors":
            state: State = load_file(path)
            return state
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file may raise anything
        reason = " ".join(str(error).split())[:200]
        raise Mistake(
            f"{path} carries more than tensors, or it is damaged, and nothing in it was run: "
            f"{reason}; fetch it again."
        ) from error
    if isinstance(content, Mapping):
        return content
    return {}
