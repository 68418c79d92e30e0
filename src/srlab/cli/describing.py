"""Writing of a model's card from a training configuration and its data."""

from __future__ import annotations

from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

import srlab
from srlab.axes import per_axis
from srlab.data import Source
from srlab.data.measuring.statistics import value_range
from srlab.data.measuring.values import check_values
from srlab.data.sources.source import OfDates, OfGuides, OfOtherBands, OfThickSlices
from srlab.degradations import Degradation
from srlab.models.card import ModelCard
from srlab.normalisers import Normaliser


def card(
    config: DictConfig,
    data: Source,
    normaliser: Normaliser,
    degradation: Degradation,
    state: dict[str, Any] | None,
) -> ModelCard:
    """Return the model card for the bundle; a resumed run keeps the card of its checkpoint.

    The range of the training values is measured for a new card.

    Raises a `Mistake` if these values do not fit the configured unit.
    """
    if state:
        return ModelCard.from_json(state["srlab"])
    ranges = value_range(data.training)
    if normaliser.scope != "scene":
        check_values(data, ranges, degradation, force=config.force)
    return ModelCard(
        generator=_recipe(config.generator),
        normaliser=_recipe(config.normaliser),
        degradation=_recipe(config.degradation),
        projection=config.projection,
        scale=per_axis(config.scale, config.spatial_dims),
        bands=data.bands,
        input_names=data.channel_names,
        output_names=output_names(config, data),
        unit=data.unit,
        training_range=ranges,
        axes=data.axes,
        scope=normaliser.scope,
        training_data=str(HydraConfig.get().runtime.choices.get("data")),
        versions={"srlab": srlab.__version__, "torch": str(torch.__version__)},
        **_further(config, data),
    )


def _further(config: DictConfig, data: Source) -> dict[str, Any]:
    """Return the card's entries for data with guides, thick slices or several dates."""
    if isinstance(data, OfGuides) and data.guides:
        guided: dict[str, Any] = {"guides": data.guides, "guide_ratio": data.guide_ratio}
        if "guide_degradation" in config.data:  # guides of measured pairs are not degraded
            guided["guide_degradation"] = _recipe(config.data.guide_degradation)
        return guided
    if isinstance(data, OfThickSlices):
        return {"across": data.across}
    if isinstance(data, OfDates):
        return {"dates": data.dates}
    return {}


def _recipe(node: DictConfig) -> dict[str, Any]:
    """Return a node as plain values, with every interpolation resolved."""
    plain: Any = OmegaConf.to_container(node, resolve=True)
    return dict(plain)


def output_names(config: DictConfig, data: Source) -> tuple[str, ...]:
    """Return the names of the output channels.

    They are the names of HR's channels, or of the input channels that a skip adds to them. If the
    numbers of channels do not fit, they are numbers from 1.
    """
    names = data.channel_names
    count = config.generator.get("out_channels", len(names))
    if isinstance(data, OfOtherBands) and count == len(data.hr_channel_names):
        return data.hr_channel_names
    continued = config.generator.get("skip_channels")
    if continued is not None:
        return tuple(names[number - 1] for number in continued)
    if count == len(names):
        return names
    return tuple(str(number) for number in range(1, count + 1))
