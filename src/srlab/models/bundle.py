"""The bundle on disk: tensors and a model card, and nothing that could run.

``model.safetensors`` holds the weights and the normaliser's buffers, and the card as JSON in its metadata. A
checkpoint ``.ckpt`` carries the same card; it is unpickled with ``weights_only=True`` alone. Opening either builds
only classes that `srlab.generators` and `srlab.normalisers` define and export, from plain JSON values.
"""

from __future__ import annotations

import importlib
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

import srlab
from srlab.files import replaced
from srlab.mistakes import MissingFile, Mistake

JSON = None | bool | int | float | str | list["JSON"] | dict[str, "JSON"]

CARD_KEY = "srlab"
"""Where a bundle's metadata and a checkpoint keep the card."""

LARGEST = 1_000_000
"""No count that describes a generator is larger, and no list of statistics longer."""


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
                raise Mistake(f"it lacks {', '.join(sorted(missing))}")
            size = values["pixel_size"]
            card = cls(
                generator=dict(values["generator"]),
                normaliser=dict(values["normaliser"]),
                scale=tuple(int(factor) for factor in values["scale"]),
                bands=tuple(values["bands"]),
                channels=tuple(str(name) for name in values["channels"]),
                unit=str(values["unit"]),
                training_range=tuple(
                    (float(low), float(high)) for low, high in values["training_range"]
                ),
                pixel_size=None if size is None else tuple(float(metres) for metres in size),
                versions=dict(values["versions"]),
            )
            card._check()
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise Mistake(f"the model card cannot be read: {_one_line(error)}.") from error
        return card

    def _check(self) -> None:
        if self.spatial_dims not in (2, 3) or not all(
            1 <= factor <= LARGEST for factor in self.scale
        ):
            raise Mistake(f"its scale is {self.scale}")
        if not all(isinstance(band, (int, str)) for band in self.bands):
            raise Mistake(f"its bands are {self.bands}")
        if not self.channels or len(self.training_range) != len(self.channels):
            raise Mistake(
                f"it has {len(self.channels)} channels and {len(self.training_range)} training ranges"
            )
        if not all(math.isfinite(value) for limits in self.training_range for value in limits):
            raise Mistake(f"its training range is {self.training_range}")
        size = self.pixel_size
        if size is not None and (
            len(size) != len(self.scale) or not all(0 < metres < math.inf for metres in size)
        ):
            raise Mistake(f"its pixel size is {size}")


def write_bundle(path: str | Path, *, tensors: Mapping[str, Tensor], card: ModelCard) -> None:
    """Write tensors and card to `path`; a file already there is replaced only by a complete one."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replaced(Path(path)) as unfinished:
        unfinished.write_bytes(save(contiguous, metadata={CARD_KEY: card.to_json()}))


def read_bundle(path: str | Path) -> tuple[dict[str, Tensor], ModelCard]:
    """Read tensors and card from a bundle, or from a checkpoint its averaged weights; runs no foreign code."""
    path = Path(path)
    if not path.is_file():
        raise MissingFile(
            f"there is no model at {path}; give a model.safetensors or a .ckpt of a run."
        )
    tensors, card = _read_checkpoint(path) if path.suffix == ".ckpt" else _read_safetensors(path)
    try:
        return tensors, ModelCard.from_json(card)
    except ValueError as error:
        raise Mistake(
            f"{path} is damaged: {error} Give a model.safetensors or a .ckpt of a run."
        ) from error


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], str]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise Mistake(
            f"{path} is not a bundle: {_one_line(error)}. Give a model.safetensors of a run."
        ) from error
    if CARD_KEY not in metadata:
        raise Mistake(
            f"{path} is not a bundle: it has tensors but no model card. Give a model.safetensors of a run."
        )
    return tensors, metadata[CARD_KEY]


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Unpickle a checkpoint with ``weights_only=True``; refuse what carries anything but data."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file may raise anything
        raise Mistake(
            f"{path} is not a checkpoint of a run, or it is damaged, or it carries code, which is never run: "
            f"{_one_line(error)}. Give a .ckpt or a model.safetensors of a run."
        ) from error
    card, state = (
        content.get(key) if isinstance(content, dict) else None for key in (CARD_KEY, "state_dict")
    )
    if (
        not isinstance(card, str)
        or not isinstance(state, dict)
        or not all(isinstance(name, str) for name in state)
    ):
        raise Mistake(
            f"{path} is not a checkpoint of a run: it has no model card, or no weights. Give a .ckpt of a run."
        )
    return cast(dict[str, Any], content)


def _read_checkpoint(path: Path) -> tuple[dict[str, Tensor], str]:
    content = load_checkpoint(path)
    state = content["state_dict"]
    average = (
        "ema.average." if any(name.startswith("ema.average.") for name in state) else "generator."
    )
    tensors = {}
    for name, tensor in state.items():
        if name.startswith(average):
            tensors["generator." + name.removeprefix(average)] = tensor
        elif name.startswith("normaliser."):
            tensors[name] = tensor
    return tensors, content[CARD_KEY]


def build(recipe: Mapping[str, JSON], *, package: str, trust: bool = False) -> nn.Module:
    """Build a module from ``{"_target_": ..., **arguments}``.

    Without `trust` the target must be a class defined in and exported by `package`, and each argument a plain JSON
    value; nothing else is imported or called.
    """
    target = recipe.get("_target_")
    arguments = {name: value for name, value in recipe.items() if name != "_target_"}
    if trust:
        return _foreign(str(target))(**arguments)
    kind = _exported_class(target, package)
    try:
        for name, value in arguments.items():
            _check_plain(name, value)
        return kind(**arguments)
    except (
        Exception
    ) as error:  # unfit arguments may raise anything, from our own checks to torch's allocator
        raise Mistake(
            f"the model card's arguments do not fit {target} of srlab {srlab.__version__}: {_one_line(error)}"
        ) from error


def check_fit(recipe: Mapping[str, JSON], tensors: Mapping[str, Tensor], *, package: str) -> None:
    """Refuse a network that a file's tensors do not fill, before any memory is taken for it.

    The network is built on the meta device, where tensors have shapes alone, and not much further than the
    file has tensors; a constructor must therefore not read values back from tensors, as ``.item()`` does.
    """
    for name, value in recipe.items():
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, int) and abs(number) > LARGEST:
                raise Mistake(
                    f"the model card's argument {name!r} is {_shown(value)}; no network is that large."
                )
    left = 2 * len(tensors)  # a constructor may replace parameters

    def count(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Mistake(f"the network has more tensors than the file, which has {len(tensors)}.")

    hook = register_module_parameter_registration_hook(count)
    try:
        with torch.device("meta"):
            rehearsed = build(recipe, package=package)
    finally:
        hook.remove()
    rehearsed.load_state_dict(dict(tensors), assign=True)


def _foreign(target: str) -> Callable[..., nn.Module]:
    """Import what a trusted card names, whatever it is."""
    module, _, name = target.rpartition(".")
    try:
        made: Callable[..., nn.Module] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise Mistake(
            f"the model card names {target!r}, which cannot be imported here: {_one_line(error)}; install the package "
            "that defines it."
        ) from error
    return made


def _exported_class(target: JSON, package: str) -> type[nn.Module]:
    """Return the class that `package` itself exports under the target's last name."""
    names = importlib.import_module(package).__all__
    prefix, _, name = target.rpartition(".") if isinstance(target, str) else ("", "", "")
    kind = (
        getattr(importlib.import_module(package), name)
        if prefix == package and name in names
        else None
    )
    if (
        not isinstance(kind, type)
        or not issubclass(kind, nn.Module)
        or not kind.__module__.startswith(f"{package}.")
    ):
        raise Mistake(
            f"the model card names {_shown(target)}, which is not a class of {package}, and was not run. "
            "If you know where the file comes from, trust=true allows it."
        )
    return kind


def _check_plain(name: str, value: JSON) -> None:
    """Refuse what could be read as a path, a dotted name or a nested target."""
    if isinstance(value, dict):
        raise Mistake(
            f"the argument {name!r} is nested ({_shown(value)}); only plain values are allowed."
        )
    if isinstance(value, list):
        if len(value) > LARGEST:
            raise Mistake(
                f"the argument {name!r} has {len(value)} entries; at most {LARGEST} are allowed."
            )
        for entry in value:
            _check_plain(name, entry)
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z0-9_+-]*", value):
        raise Mistake(f"the argument {name!r} is {_shown(value)}; only plain words are allowed.")
    if name.startswith("_"):
        raise Mistake(
            f"there is an argument {name!r}; names with a leading underscore are not allowed."
        )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


def _one_line(error: Exception) -> str:
    text = str(error).strip().split("\n")[0].split(". ")[0].rstrip(".")
    return (text if len(text) <= 300 else f"{text[:300]}…") or type(error).__name__
