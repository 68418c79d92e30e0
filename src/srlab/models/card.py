"""The model card: the description of a model that is stored with its weights."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, asdict, dataclass, field, fields
from itertools import chain
from typing import Any, get_args

import srlab
from srlab.axes import is_count
from srlab.io import Axis
from srlab.io.agreement import metres
from srlab.mistakes import Mistake
from srlab.models.messages import first_sentence, shortened
from srlab.nn.edges import Edges
from srlab.normalisers import Scope

JSON = None | bool | int | float | str | list["JSON"] | dict[str, "JSON"]

FORMAT = 2
"""The number of the card's format that this version of srlab writes. It reads all earlier ones.

A card of format 1 has no field `format`. Its ``channels`` are the names of the input channels, and
its ``pixel_size`` is in metres along each axis.
"""

LARGEST = 1_000_000
"""The largest number in a card, and the most entries of a list; larger ones are refused."""


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """Everything that is needed to rebuild a model, and a description of its training."""

    generator: dict[str, JSON]
    """``_target_`` and constructor arguments."""

    normaliser: dict[str, JSON]
    """``_target_`` and constructor arguments."""

    scale: tuple[int, ...]
    """The factor along each spatial axis."""

    bands: tuple[int | str, ...]
    """The bands that were read from each training file, by number from 1 or by name."""

    input_names: tuple[str, ...]
    """The names of the input channels: the bands, then each pixel of a guide in an LR pixel."""

    output_names: tuple[str, ...]
    """The names of the output channels."""

    unit: str
    """The unit of the physical values."""

    training_range: tuple[tuple[float, float], ...]
    """The 0.1st and 99.9th percentile of each input channel in training, in physical units."""

    axes: tuple[Axis, ...]
    """Name, spacing and unit of each spatial axis of the training files, if they are known."""

    versions: dict[str, str]
    """The versions of srlab and torch with which the model was trained."""

    degradation: dict[str, JSON] = field(default_factory=dict)
    """``_target_`` and constructor arguments of the degradation; empty if unknown."""

    projection: bool = False
    """Whether the network was trained with a projection, so that SR agrees with LR exactly."""

    guides: tuple[int | str, ...] = ()
    """The finer guide bands, which are further input channels; by number from 1 or by name."""

    guide_ratio: tuple[int, ...] = ()
    """The number of guide pixels in an input pixel, along each spatial axis."""

    guide_degradation: dict[str, JSON] = field(default_factory=dict)
    """``_target_`` and constructor arguments of the degradation of the guides."""

    dates: int = 1
    """The number of dates whose bands are input channels; the first date is super-resolved."""

    across: str = ""
    """The axis across the slices, for a model that makes the slices of volumes thinner.

    The model works on planes of which this is the first axis. Empty for all other models.
    """

    edges: Edges = "replicate"
    """The default padding beyond the borders of an image."""

    scope: Scope = "fixed"
    """The scope of the normaliser: where its numbers come from."""

    training_data: str = ""
    """The data that the model was trained on."""

    licence: str = ""
    """The licence of the model."""

    metrics: dict[str, float] = field(default_factory=dict)
    """Scores on the validation data, by the name of the metric."""

    limits: str = ""
    """The uses for which the model is not fit."""

    format: int = FORMAT

    @property
    def spatial_dims(self) -> int:
        """2 for images, 3 for volumes and video."""
        return len(self.scale)

    @property
    def continued(self) -> tuple[int, ...] | None:
        """For each output channel, the index of the input channel of the same name.

        None if an output channel has a name that no input channel has.
        """
        places = {name: place for place, name in enumerate(self.input_names)}
        if not set(self.output_names) <= set(places):
            return None
        return tuple(places[name] for name in self.output_names)

    @property
    def pixel_size(self) -> tuple[float, ...] | None:
        """Metres per pixel of the training files; None if any axis has no known pixel size."""
        return metres(self.axes)

    def to_json(self) -> str:
        """Return the card as JSON text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ModelCard:
        """Read a card; raises a `Mistake` if it is damaged, or from a newer srlab."""
        with _naming_the_card():
            values = dict(json.loads(text))
        _refuse_newer(values)
        with _naming_the_card():
            values = _current(values)
            given = {name: parse(values[name]) for name, parse in PARSERS.items() if name in values}
            card = cls(**given)
            _check(card)
        return card


@contextmanager
def _naming_the_card() -> Iterator[None]:
    """Turn the errors that a damaged card may cause into a `Mistake`."""
    try:
        yield
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise Mistake(
            f"the model card cannot be read: {first_sentence(error)}; give a model.safetensors or "
            "a .ckpt of a run."
        ) from error


def _refuse_newer(values: Mapping[str, Any]) -> None:
    """Raise a `Mistake` for a card in a format that only a later version of srlab reads."""
    if is_count(values.get("format"), least=FORMAT + 1):
        found = shortened(values["format"], 20)
        versions = shortened(values.get("versions"), 100)
        raise Mistake(
            f"it was made by a newer srlab: its model card has the format {found} and names the "
            f"versions {versions}, while srlab {srlab.__version__} reads formats up to {FORMAT}; "
            "install that srlab, or a later one."
        )


def _current(values: dict[str, Any]) -> dict[str, Any]:
    """Convert a card's fields to the current format; fields with a default may be absent."""
    if values.get("format", 1) == 1:
        values = _of_format_1(values) | {"format": FORMAT}
    if values["format"] != FORMAT:
        raise Mistake(f"its format is {shortened(repr(values['format']), 20)}")
    required = {
        field.name
        for field in fields(ModelCard)
        if field.default is MISSING and field.default_factory is MISSING
    }
    missing = required - set(values)
    if missing:
        raise Mistake(f"it lacks {', '.join(sorted(missing))}")
    return values


def _of_format_1(values: dict[str, Any]) -> dict[str, Any]:
    """Add to a card of format 1 the fields of later formats.

    The output channels get the names of the input channels. If the generator has another number of
    outputs, they are numbered from 1. Three axes are assumed to be those of a volume, z, y and x.
    """
    missing = {"generator", "scale", "channels", "pixel_size"} - set(values)
    if missing:
        raise Mistake(f"it lacks {', '.join(sorted(missing))}")
    names = values["channels"]
    outputs = names
    number = dict(values["generator"]).get("out_channels", len(names))
    if is_count(number, least=1) and number != len(names):
        outputs = range(1, min(number, LARGEST) + 1)
    dims = len(values["scale"])
    spacings = values["pixel_size"] or [None] * dims
    axes = [
        {"name": name, "spacing": spacing, "unit": spacing and "m"}
        for name, spacing in zip("zyx"[-dims:], spacings, strict=True)
    ]
    return values | {"input_names": names, "output_names": outputs, "axes": axes}


def _check(card: ModelCard) -> None:
    """Raise a `Mistake` for values that no model has."""
    dims, channels = card.spatial_dims, len(card.input_names)
    guide_axes = dims if card.guides else 0
    spacings = [axis.spacing for axis in card.axes if axis.spacing is not None]
    limits = [*chain(*card.training_range)]
    valid = {
        "scale": dims in (2, 3) and _are_counts(card.scale),
        "bands": _are_bands(card.bands),
        "guides": _are_bands(card.guides),
        "guide_ratio": len(card.guide_ratio) == guide_axes and _are_counts(card.guide_ratio),
        "dates": card.dates >= 1,
        "edges": card.edges in get_args(Edges),
        "across": card.across == "" or (card.across in ("x", "y", "z") and dims == 2),
        "input_names": channels > 0,
        "output_names": len(card.output_names) > 0,
        "training_range": len(limits) == 2 * channels and all(map(math.isfinite, limits)),
        "axes": len(card.axes) == dims and all(0 < spacing < math.inf for spacing in spacings),
        "scope": card.scope in get_args(Scope),
    }
    for name, is_valid in valid.items():
        if not is_valid:
            raise Mistake(f"its {name} is {shortened(vars(card)[name], 100)}")


def _are_counts(values: Iterable[int]) -> bool:
    return all(1 <= value <= LARGEST for value in values)


def _are_bands(values: Iterable[Any]) -> bool:
    return all(isinstance(band, (int, str)) for band in values)


def _integers(values: Iterable[Any]) -> tuple[int, ...]:
    return tuple(int(value) for value in values)


def _texts(values: Iterable[Any]) -> tuple[str, ...]:
    return tuple(str(value) for value in values)


def _ranges(values: Iterable[tuple[Any, Any]]) -> tuple[tuple[float, float], ...]:
    return tuple((float(low), float(high)) for low, high in values)


def _axes(values: Iterable[Mapping[str, Any]]) -> tuple[Axis, ...]:
    return tuple(
        Axis(str(axis["name"]), _or_none(float, axis["spacing"]), _or_none(str, axis["unit"]))
        for axis in values
    )


def _or_none(parse: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else parse(value)


def _scores(values: Any) -> dict[str, float]:
    return {str(name): float(score) for name, score in dict(values).items()}


PARSERS: dict[str, Callable[[Any], Any]] = {
    "generator": dict,
    "normaliser": dict,
    "degradation": dict,
    "projection": bool,
    "dates": int,
    "across": str,
    "guides": tuple,
    "guide_ratio": _integers,
    "guide_degradation": dict,
    "scale": _integers,
    "bands": tuple,
    "input_names": _texts,
    "output_names": _texts,
    "unit": str,
    "training_range": _ranges,
    "axes": _axes,
    "versions": dict,
    "edges": str,
    "scope": str,
    "training_data": str,
    "licence": str,
    "metrics": _scores,
    "limits": str,
}
"""For each field of the card, the function that converts its plain JSON value."""
