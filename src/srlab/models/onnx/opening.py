"""Opening of ONNX files as models."""

from __future__ import annotations

from pathlib import Path

import torch

from srlab.files import PathLike
from srlab.mistakes import Mistake
from srlab.models.bundle import CARD_KEY
from srlab.models.card import ModelCard
from srlab.models.onnx.network import OnnxNetwork
from srlab.models.pictures import are_pictures, card_of_pictures
from srlab.models.super_resolver import SuperResolver
from srlab.nn.resample import enlarge
from srlab.normalisers import Identity, MinMax

FURTHEST = 0.1
"""The largest mean difference between a network's output and its enlarged input, both in 0–1."""


def is_onnx(path: PathLike) -> bool:
    """Whether a file has the suffix of ONNX."""
    return Path(path).suffix == ".onnx"


def open_onnx(path: PathLike) -> SuperResolver:
    """Open an ONNX file as a model, computed by onnxruntime on the CPU.

    A file that srlab exported has a model card in its metadata, under the key ``srlab``. Its graph
    takes and returns the physical units of the card. A file without a card must be a network for
    grey or RGB pictures with values in 0–1. This is checked by a trial. No code in a file is run.

    Raises a `Mistake` if the file is damaged or of another kind.
    """
    network = OnnxNetwork(Path(path))
    text = network.graph.metadata.get(CARD_KEY)
    if text is None:
        return _of_pictures(network)
    return _with_card(network, text)


def _with_card(network: OnnxNetwork, text: str) -> SuperResolver:
    path = network.graph.path
    try:
        card = ModelCard.from_json(text)
    except Mistake as error:
        raise Mistake(f"{path} cannot be opened: {error}") from error
    if card.scope == "scene":
        raise Mistake(
            f"{path} is a model that needs the statistics of each scene, which an ONNX file does "
            "not take; use its model.safetensors."
        )
    if len(card.input_names) != network.in_channels:
        raise Mistake(
            f"{path} is damaged: its card names {len(card.input_names)} input channels and its "
            f"graph takes {network.in_channels}."
        )
    model = SuperResolver(generator=network, normaliser=Identity(), card=card).eval()
    model.check_card(str(path))
    return model


def _of_pictures(network: OnnxNetwork) -> SuperResolver:
    path = network.graph.path
    if len(network.scale) != 2 or not are_pictures(network.in_channels, network.out_channels):
        raise Mistake(
            f"{path} has no model card and makes {network.out_channels} channels of "
            f"{network.in_channels} in {len(network.scale)} dimensions; only networks of pictures, "
            "in grey (1) or colour (3), can be applied without a card."
        )
    _check_values(network)
    limits = {"minimum": 0.0, "maximum": 255.0}
    card = card_of_pictures(
        generator={"_target_": "srlab.models.onnx.network.OnnxNetwork"},
        normaliser={"_target_": "srlab.normalisers.MinMax", **limits},
        scale=network.scale,
        channels=network.in_channels,
        training_data=f"ONNX file {path.name}",
    )
    return SuperResolver(generator=network, normaliser=MinMax(**limits), card=card).eval()


def _check_values(network: OnnxNetwork) -> None:
    """Raise a `Mistake` if a network does not map a picture in 0–1 to a similar one."""
    ramp = torch.linspace(0.2, 0.8, 32)
    picture = ramp.expand(1, network.in_channels, 32, 32)
    errors = network(picture) - enlarge(picture, network.scale)
    difference = errors.abs().mean().item()
    if not difference <= FURTHEST:  # also if it is NaN
        raise Mistake(
            f"{network.graph.path} has no model card and seems to take other values than pictures "
            f"in 0–1: its output for a grey ramp is off by {difference:.2g} on average. Give a "
            "file with a card, or one whose graph takes and returns 0–1."
        )
