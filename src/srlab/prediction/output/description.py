"""The description of an output, and the note of what made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

import srlab
from srlab.data.measuring.statistics import measure
from srlab.data.places.regions import Region
from srlab.io import Description, Provenance, Reader
from srlab.models.super_resolver import SuperResolver
from srlab.prediction.grid.tiles import TileGrid
from srlab.prediction.network.across import file_scale
from srlab.prediction.request import Request


def output_description(
    model: SuperResolver, source: Description, *, alpha: Reader | None = None
) -> Description:
    """Describe the SR of an image: finer pixels, and the model's output channels.

    The transparency that `alpha` reads, if the image has any, comes last.

    An output channel with the name of an input channel is stored in the same way as that one. Any
    other is stored in the same way as the first input channel, under the card's name.
    """
    card = model.card
    by_name = dict(zip(card.input_names, source.channels, strict=False))
    first = source.channels[0]
    channels = []
    for name in card.output_names:
        channel = by_name.get(name)
        if channel is None:
            channel = replace(first, name=name, description=name, colour="", tags={})
        channels.append(channel)
    if alpha is not None:
        channels += alpha.description.channels
    return source.scaled(file_scale(card, source)).with_channels(channels)


def scene_of(models: Sequence[SuperResolver], reader: Reader) -> Tensor | None:
    """Measure the whole scene, ``(1, rows, C + 1)``, if the normaliser of a model needs that."""
    if all(model.normaliser.scope != "scene" for model in models):
        return None
    return measured_scene(reader)


def measured_scene(reader: Reader) -> Tensor:
    """Measure a whole scene, ``(1, rows, C + 1)``."""
    channels = len(reader.description.channels)
    return measure(Region.whole(reader).blocks(), channels=channels).as_tensor()[None]


def provenance(
    plan: TileGrid,
    request: Request,
    *,
    hashes: Mapping[str, str],
    device: torch.device,
    settled: Mapping[str, Any],
    training_data: str = "",
    scene: Tensor | None = None,
) -> Provenance:
    """Return the note of which model made an output, of which input, and with which settings.

    `hashes` are those of the ``model``, the ``input`` and any further files.
    """
    settings: dict[str, object] = {
        "tile": list(plan.tile[plan.leading :]),
        "overlap": list(plan.overlap[plan.leading :]),
        "edges": plan.edges,
        "join": plan.join,
        "precision": settled["precision"],
        "device": device.type,
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "memory_format": "channels_last" if device.type == "cpu" else "contiguous",
        "torch": str(torch.__version__),
    }
    if device.type == "cpu":
        settings["threads"] = settled["threads"]
    else:
        settings["batch"] = settled["batch"]
    if plan.cuts:
        settings["cuts"] = list(plan.cuts)
    if training_data:
        settings["training_data"] = training_data
    settings |= request.noted()
    settings |= {f"{name}_sha256": digest for name, digest in hashes.items() if name != "model"}
    if scene is not None:
        settings["scene"] = _rows(scene)
    description = "super-resolved"
    if request.noise_seed is not None:
        description += f", noise seed {request.noise_seed}"
    return Provenance(f"srlab {srlab.__version__}", hashes["model"], description, settings)


def _rows(scene: Tensor) -> Mapping[str, list[float]]:
    """Name the moments of a scene's channels, but not those of all together."""
    names = ("minimum", "maximum", "mean", "deviation")
    return {name: row[:-1].tolist() for name, row in zip(names, scene[0], strict=False)}
