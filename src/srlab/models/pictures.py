"""The model card of networks that others published for 8-bit pictures."""

from __future__ import annotations

from collections.abc import Sequence

import torch

import srlab
from srlab.io import Axis
from srlab.models.card import JSON, ModelCard

NAMES = {1: ("Y",), 3: ("R", "G", "B")}
"""The names of the bands of a picture, by their number."""


def are_pictures(in_channels: int, out_channels: int) -> bool:
    """Whether a network maps grey to grey, or colour to colour."""
    return in_channels == out_channels and in_channels in NAMES


def card_of_pictures(
    *,
    generator: dict[str, JSON],
    normaliser: dict[str, JSON],
    scale: Sequence[int],
    channels: int,
    training_data: str,
) -> ModelCard:
    """Return the card of a published network for 8-bit pictures of 1 or 3 channels."""
    return ModelCard(
        generator=generator,
        normaliser=normaliser,
        scale=tuple(scale),
        bands=tuple(range(1, channels + 1)),
        input_names=NAMES[channels],
        output_names=NAMES[channels],
        unit="8-bit value",
        training_range=((0.0, 255.0),) * channels,
        axes=(Axis("y"), Axis("x")),
        versions={"srlab": srlab.__version__, "torch": str(torch.__version__)},
        training_data=training_data,
        edges="zeros",  # as the authors of such networks used them
    )
