"""The bundle: a model on disk, with tensors and a model card, but no code.

``model.safetensors`` holds the generator's weights and the normaliser's buffers. Its metadata hold
the card as JSON. A training checkpoint (``.ckpt``) has the same card. It is unpickled with
``weights_only=True``, so that it cannot run code either.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from srlab.files import PathLike, replaced
from srlab.mistakes import MissingFile, Mistake
from srlab.models.card import ModelCard
from srlab.models.messages import first_sentence
from srlab.models.pretrained import ncnn

CARD_KEY = "srlab"
"""The key of the card in a bundle's metadata and in a checkpoint."""


def write_bundle(path: PathLike, *, tensors: Mapping[str, Tensor], card: ModelCard) -> None:
    """Write a bundle; an existing file is replaced only when the new one is complete."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replaced(Path(path)) as unfinished:
        unfinished.write_bytes(save(contiguous, metadata={CARD_KEY: card.to_json()}))


def read_bundle(path: PathLike) -> tuple[dict[str, Tensor], ModelCard]:
    """Read the tensors and the card of a bundle or a checkpoint.

    The weights from a checkpoint are the averaged ones (EMA), if training averaged any. No code in
    the file is run.

    Raises a `Mistake` that names the file if it is missing or damaged, or holds no model.
    """
    path = Path(path)
    if (path / "model.safetensors").is_file():
        raise Mistake(f"{path} is a folder: give its model, {path / 'model.safetensors'}.")
    if not path.is_file():
        raise MissingFile(
            f"there is no model at {path}; give a model.safetensors or a .ckpt of a run."
        )
    read = _read_checkpoint if path.suffix == ".ckpt" else _read_safetensors
    tensors, card = read(path)
    try:
        return tensors, ModelCard.from_json(card)
    except Mistake as error:
        raise Mistake(f"{path} cannot be opened: {error}") from error


def open_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read tensors and metadata of any safetensors file."""
    try:
        with safe_open(path, framework="pt") as file:
            names = file.keys()
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise Mistake(
            f"{path} is not a safetensors file, or it is damaged: {first_sentence(error)}. Give a "
            "whole one, such as the model.safetensors of a run."
        ) from error


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], str]:
    tensors, metadata = open_safetensors(path)
    if CARD_KEY not in metadata:
        raise Mistake(
            f"{path} is not a bundle: it has tensors but no model card. Give a model.safetensors "
            "of a run."
        )
    return tensors, metadata[CARD_KEY]


def _read_checkpoint(path: Path) -> tuple[dict[str, Tensor], str]:
    content = load_checkpoint(path)
    state = content["state_dict"]
    weights = below(state, "ema.average.") or below(state, "generator.")
    tensors = {f"generator.{name}": tensor for name, tensor in weights.items()}
    numbers = {f"normaliser.{name}": value for name, value in below(state, "normaliser.").items()}
    return tensors | numbers, content[CARD_KEY]


def load_checkpoint(path: PathLike) -> dict[str, Any]:
    """Unpickle a run's checkpoint with ``weights_only=True``.

    Raises a `Mistake` if it is damaged, contains code, or is no checkpoint of a run.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file may raise anything
        raise Mistake(
            f"{path} is not a checkpoint of a run, is damaged, or contains code, which is never "
            f"run: {first_sentence(error)}. Give a .ckpt or a model.safetensors of a run."
        ) from error
    parts = dict(content) if isinstance(content, dict) else {}
    has_card = isinstance(parts.get(CARD_KEY), str)
    state = parts.get("state_dict")
    has_weights = isinstance(state, dict) and all(isinstance(name, str) for name in state)
    if not has_card or not has_weights:
        raise Mistake(
            f"{path} is not a checkpoint of a run: it has no model card, or no weights. Give a "
            ".ckpt of a run."
        )
    return parts


def below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with `prefix`, and remove it from the names."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def file_hash(path: PathLike) -> str:
    """Return the SHA-256 of a model's content, as hexadecimal digits.

    An ncnn network has two files, and an ONNX graph may keep its weights in a second file. Two
    files are hashed as if the second followed the first.
    """
    digest = hashlib.sha256()
    for part in _files_of(Path(path)):
        with part.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    return digest.hexdigest()


def _files_of(path: Path) -> tuple[Path, ...]:
    if path.suffix in ncnn.SUFFIXES:
        return ncnn.graph_and_weights(path)
    weights = Path(f"{path}.data")
    if path.suffix == ".onnx" and weights.is_file():
        return path, weights
    return (path,)
