"""The types of the top-level values of each command's configuration, and checks of some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from omegaconf import DictConfig, ListConfig

from srlab.axes import check_spatial_dims, per_axis
from srlab.mistakes import Mistake

if TYPE_CHECKING:
    from srlab.io.agreement import Check


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Top-level values of ``train.yaml``, which says what each of them means."""

    name: str
    seed: int
    scale: int | Sequence[int]
    spatial_dims: int
    crop_size: int | Sequence[int]
    projection: bool
    resume: str | None
    channels_last: bool
    compile: bool
    on_nonfinite: Literal["raise", "skip"]
    max_skips: int
    weights: str | None
    weights_match: Literal["exact", "partial", "inflate"]
    force: Sequence[Check]


@dataclass(frozen=True, kw_only=True)
class PredictSettings:
    """Top-level values of ``predict.yaml``, which says what each of them means."""

    model: str | Sequence[str]
    input: str | Sequence[str]
    output: str
    guide: str | None
    dates: str | None
    overwrite: bool
    compression: str | None
    layout: str | None
    codec: str | None
    ome_version: float | None
    statistics: bool
    bands: Sequence[int | str] | None
    guides: Sequence[int | str] | None
    scale: int | Sequence[int] | None
    tile: int | Sequence[int] | Literal["auto"]
    overlap: int | Sequence[int] | Literal["auto"]
    edges: Literal["auto", "replicate", "reflect", "zeros"]
    cut_threshold: float | None
    join: Literal["auto", "crop", "blend"]
    batch: int | Literal["auto"]
    precision: Literal["auto", 32, "bf16", 16]
    threads: int | Literal["auto"]
    noise_seed: int | None
    samples: int
    tta: bool
    dtype: Literal["input", "float32"]
    preview: bool
    project: bool
    parts: bool
    match_histogram: bool
    device: str
    devices: int | Literal["auto"]
    force: Sequence[Check]
    trust: bool


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings:
    """Top-level values of ``evaluate.yaml``, which says what each of them means."""

    model: str
    part: Literal["all", "training", "validation"]
    output: str | None
    tile: int | Sequence[int] | Literal["auto"]
    overlap: int | Sequence[int] | Literal["auto"]
    edges: Literal["auto", "replicate", "reflect", "zeros"]
    device: str
    force: Sequence[Check]
    trust: bool
    seed: int
    scale: int | Sequence[int]
    spatial_dims: int


@dataclass(frozen=True, kw_only=True)
class VerifySettings:
    """Top-level values of ``verify.yaml``, which says what each of them means."""

    output: str
    input: str
    model: str | Sequence[str]
    blocks: int
    seed: int
    guide: str | None
    dates: str | None
    device: str
    trust: bool


@dataclass(frozen=True, kw_only=True)
class StatsSettings:
    """Top-level values of ``stats.yaml``, which says what each of them means."""

    output: str | None
    json: str | None
    overwrite: bool
    force: Sequence[Check]
    scale: int | Sequence[int]
    spatial_dims: int
    seed: int


def check_axes(config: DictConfig, *names: str) -> None:
    """Raise a `Mistake` for a top-level key that does not have one number for each axis."""
    check_spatial_dims(config.spatial_dims)
    for name in names:
        per_axis(_plain(config[name]), config.spatial_dims, name=name)


def _plain(value: int | ListConfig) -> int | Sequence[int]:
    return list(value) if isinstance(value, ListConfig) else value


def check_bands(config: DictConfig) -> None:
    """Raise a `Mistake` if the data have a key for bands and it is empty."""
    if "bands" in config.data and not config.data.bands:
        raise Mistake("data.bands is []; name one band at least, such as data.bands=[1].")


def check_guides(config: DictConfig) -> None:
    """Raise a `Mistake` for a ``guide_ratio`` that does not have one number for each axis."""
    ratio = config.data.get("guide_ratio")
    if ratio is not None:
        per_axis(_plain(ratio), config.spatial_dims, name="data.guide_ratio")


def check_seed(seed: int) -> None:
    """Raise a `Mistake` for a seed that a random generator cannot take."""
    if not 0 <= seed < 2**32:
        raise Mistake(f"seed is {seed}; give a whole number from 0 to {2**32 - 1}.")
