"""The bundle on disk: tensors and a model card, and nothing that could run.

``model.safetensors`` holds the weights and the normaliser's buffers, and the card as JSON in its metadata. A
checkpoint ``.ckpt`` carries the same card; it is unpickled with ``weights_only=True`` alone. Opening either builds
only classes that `srlab.generators` and `srlab.normalisers` define and export, from plain JSON values.
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
import re
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

import srlab

JSON = None | bool | int | float | str | list["JSON"] | dict[str, "JSON"]

CARD_KEY = "srlab"
"""Where a bundle's metadata and a checkpoint keep the card."""


@dataclass(frozen=True)
class ModelCard:
    """What it takes to rebuild a model, and what it was trained for."""

    generator: dict[str, JSON]
    """``_target_`` and constructor arguments."""

    normaliser: dict[str, JSON]
    """``_target_`` and constructor arguments."""

    scale: tuple[int, ...]
    """The factor along each spatial axis."""

    bands: tuple[int | str, ...]
    """The bands that were read from each training file, by number from 1 or by name."""

    channels: tuple[str, ...]
    """The names that those bands have."""

    unit: str
    """The unit of the physical values."""

    training_range: tuple[tuple[float, float], ...]
    """Of each channel, the 0.1st and 99.9th percentile over training samples, in physical units."""

    pixel_size: tuple[float, ...] | None
    """Metres per pixel of the training files along each spatial axis, if they say."""

    versions: dict[str, str]
    """Of srlab and of torch, when the model was trained."""

    @property
    def spatial_dims(self) -> int:
        """2 for images, 3 for volumes and video."""
        return len(self.scale)

    def to_json(self) -> str:
        """The card as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ModelCard:
        """Read a card back, or raise a ``ValueError`` that says what is missing."""
        try:
            values = json.loads(text)
            missing = {field.name for field in fields(cls)} - set(values)
            if missing:
                raise ValueError(f"it lacks {', '.join(sorted(missing))}")
            size = values["pixel_size"]
            return cls(
                generator=dict(values["generator"]),
                normaliser=dict(values["normaliser"]),
                scale=tuple(int(factor) for factor in values["scale"]),
                bands=tuple(values["bands"]),
                channels=tuple(str(name) for name in values["channels"]),
                unit=str(values["unit"]),
                training_range=tuple((float(low), float(high)) for low, high in values["training_range"]),
                pixel_size=None if size is None else tuple(float(metres) for metres in size),
                versions=dict(values["versions"]),
            )
        except (ValueError, TypeError) as error:
            raise ValueError(f"the model card cannot be read: {error}.") from error


def write_bundle(path: str | Path, *, tensors: Mapping[str, Tensor], card: ModelCard) -> None:
    """Write tensors and card to `path`; a file already there is replaced only by a complete one."""
    path = Path(path)
    unfinished = path.with_name(f".{path.name}.partial")
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    unfinished.write_bytes(save(contiguous, metadata={CARD_KEY: card.to_json()}))
    os.replace(unfinished, path)


def read_bundle(path: str | Path) -> tuple[dict[str, Tensor], ModelCard]:
    """Read tensors and card from a bundle, or from a checkpoint its averaged weights; runs no foreign code."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no model at {path}; give a model.safetensors or a .ckpt of a run.")
    return _read_checkpoint(path) if path.suffix == ".ckpt" else _read_safetensors(path)


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], ModelCard]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"{path} is not a bundle: {_one_line(error)}. Give a model.safetensors of a run.") from error
    if CARD_KEY not in metadata:
        raise ValueError(
            f"{path} is not a bundle: it has tensors but no model card. Give a model.safetensors of a run."
        )
    return tensors, ModelCard.from_json(metadata[CARD_KEY])


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Unpickle a checkpoint with ``weights_only=True``; refuse what carries anything but data."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, zipfile.BadZipFile, KeyError) as error:
        raise ValueError(
            f"{path} is not a checkpoint of a run, or it is damaged, or it carries code, which is never run: "
            f"{_one_line(error)}"
        ) from error
    if not isinstance(content, dict) or CARD_KEY not in content or "state_dict" not in content:
        raise ValueError(f"{path} is not a checkpoint of a run: it has no model card.")
    return content


def _read_checkpoint(path: Path) -> tuple[dict[str, Tensor], ModelCard]:
    content = load_checkpoint(path)
    state = content["state_dict"]
    average = "ema.average." if any(name.startswith("ema.average.") for name in state) else "generator."
    tensors = {}
    for name, tensor in state.items():
        if name.startswith(average):
            tensors["generator." + name.removeprefix(average)] = tensor
        elif name.startswith("normaliser."):
            tensors[name] = tensor
    return tensors, ModelCard.from_json(content[CARD_KEY])


def build(recipe: Mapping[str, JSON], *, package: str, trust: bool = False) -> nn.Module:
    """Build a module from ``{"_target_": ..., **arguments}``.

    Without `trust` the target must be a class defined in and exported by `package`, and each argument a plain JSON
    value; nothing else is imported or called.
    """
    target = recipe.get("_target_")
    arguments = {name: value for name, value in recipe.items() if name != "_target_"}
    if trust:
        module, _, name = str(target).rpartition(".")
        made: nn.Module = getattr(importlib.import_module(module), name)(**arguments)
        return made
    kind = _exported_class(target, package)
    for name, value in arguments.items():
        _check_plain(name, value)
    try:
        made = kind(**arguments)
    except TypeError as error:
        raise ValueError(
            f"the model card's arguments do not fit {target} of srlab {srlab.__version__}: {error}."
        ) from error
    return made


def _exported_class(target: JSON, package: str) -> type[nn.Module]:
    """Return the class that `package` itself exports under the target's last name."""
    names = importlib.import_module(package).__all__
    prefix, _, name = target.rpartition(".") if isinstance(target, str) else ("", "", "")
    kind = getattr(importlib.import_module(package), name) if prefix == package and name in names else None
    if not isinstance(kind, type) or not issubclass(kind, nn.Module) or not kind.__module__.startswith(f"{package}."):
        raise ValueError(
            f"the model card names {target!r}, which is not a class of {package}, and was not run. "
            "If you know where the file comes from, trust=true allows it."
        )
    return kind


def _check_plain(name: str, value: JSON) -> None:
    """Refuse what could be read as a path, a dotted name or a nested target."""
    if isinstance(value, dict):
        raise ValueError(f"the model card's argument {name!r} is nested ({value!r}); only plain values are allowed.")
    if isinstance(value, list):
        for entry in value:
            _check_plain(name, entry)
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z0-9_+-]*", value):
        raise ValueError(f"the model card's argument {name!r} is {value!r}; only plain words are allowed.")
    if name.startswith("_"):
        raise ValueError(f"the model card has an argument {name!r}; names with a leading underscore are not allowed.")


def _one_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].split(". ")[0]
