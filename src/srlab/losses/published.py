"""The weights of classification networks that torchvision publishes."""

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
"""The number of seconds without any data after which a download is given up."""

State = Mapping[str, Any]
"""Tensors by name, read from a file and not checked yet."""


def fill(network: nn.Module, names: Mapping[str, str], *, weights: str, published: str) -> None:
    """Load `weights` into a network; `names` maps the names of its tensors to torchvision's.

    `weights` is one of three:

    - ``pretrained``: torchvision's file, from torch's cache or downloaded into it. `published` is
      torchvision's name of it, for example ``VGG19_Weights.IMAGENET1K_V1``.
    - ``random``: normally distributed weights and zero biases, from a fixed seed, for baselines and
      tests (He et al. 2015, eq. 10).
    - The path of a torchvision state dict, ``.safetensors`` or pickled. No code in it is run.

    Raises a `Mistake` if the file is missing, damaged, not downloadable, or of another network.
    """
    if weights == "random":
        _randomise(network)
        return
    if weights == "pretrained":
        state, origin = _pretrained(published)
    else:
        origin = Path(weights).expanduser()
        state = _read(origin)
    wrong = _misfits(network, names, state)
    if wrong:
        raise Mistake(
            f"{origin} does not hold the weights of torchvision's {published.partition('_')[0]}: "
            f"{len(wrong)} of {len(names)} tensors are missing or of another shape, for example "
            f"{wrong[0]}; give its state dict."
        )
    network.load_state_dict({ours: state[theirs] for ours, theirs in names.items()})


def _misfits(network: nn.Module, names: Mapping[str, str], state: State) -> list[str]:
    """Return torchvision's names of the tensors that are missing, or of another shape."""
    own = network.state_dict()
    wrong = []
    for ours, theirs in names.items():
        shape = getattr(state.get(theirs), "shape", None)
        if shape != own[ours].shape:
            wrong.append(theirs)
    return wrong


def _randomise(network: nn.Module) -> None:
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _pretrained(published: str) -> tuple[State, Path]:
    """Return torchvision's state dict and the path of its file, which is downloaded if missing."""
    from torchvision.models import get_weight  # takes two seconds

    source = get_weight(published)
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(source.url).name
    if path.is_file():
        return _read(path), path
    try:
        with _impatient():
            # Torch downloads into a file of another name, and renames it if its hash is right.
            state = source.get_state_dict(
                check_hash=True,
                map_location="cpu",
                weights_only=True,
                progress=sys.stderr.isatty(),
            )
    except (OSError, RuntimeError, HTTPException) as error:
        reason = " ".join(str(error).split())
        raise Mistake(
            f"{path.name} could not be downloaded ({reason}); fetch {source.url} elsewhere and set "
            f"the term's weights=PATH or put it into {path.parent}, or set weights=random."
        ) from error
    return state, path


@contextmanager
def _impatient() -> Iterator[None]:
    """Limit the time that a connection waits, since a firewall may drop packets silently."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _read(path: Path) -> State:
    """Read tensors by name from a file; the result is empty if the file holds something else."""
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
