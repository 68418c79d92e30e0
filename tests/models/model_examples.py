"""Small models, their cards and files, for tests of all that opens or uses them."""

import json
import re
from dataclasses import asdict

import pytest
import torch
from safetensors.torch import save_file

import srlab
from srlab.generators import RRDB, SRResNet
from srlab.io import Axis
from srlab.models.card import ModelCard
from srlab.models.super_resolver import SuperResolver
from srlab.normalisers import Arcsinh, Identity, Log, MinMax, Percentile, Reflectance, ZScore

ARGUMENTS = {"in_channels": 3, "out_channels": 3, "scale": [2, 2], "channels": 4, "blocks": 1}
SRRESNET = {"_target_": "srlab.generators.SRResNet", **ARGUMENTS}

GENERATORS = {
    "RRDB": (RRDB, {"channels": 4, "blocks": 1, "growth_channels": 2}),
    "SRResNet": (SRResNet, {"channels": 4, "blocks": 1}),
}
NORMALISERS = {
    "Identity": (Identity, {}),
    "MinMax": (MinMax, {"minimum": [0.0, -1.0, 2.0], "maximum": [255.0, 1.0, 10.0]}),
    "Arcsinh": (Arcsinh, {"softening": 10.0, "maximum": [255.0, 1.0, 10.0]}),
    "Log": (Log, {"softening": [1.0, 2.0, 3.0], "maximum": 255.0}),
    "Reflectance": (Reflectance, {"quantification": 10_000.0, "offset": -1000.0}),
    "ZScore": (ZScore, {"channels": 3}),
    "Percentile": (Percentile, {"channels": 3, "low": 2.0, "high": 98.0}),
}


def axes(dims, *spacings, unit="m"):
    """Axes of a file; without spacings it does not say them."""
    names = "zyx"[-dims:]
    if not spacings:
        return tuple(map(Axis, names))
    return tuple(Axis(name, spacing, unit) for name, spacing in zip(names, spacings, strict=True))


def card(**changes):
    """A card of a model of three bands at ×2."""
    scale = changes.get("scale", (2, 2))
    fields = {
        "generator": SRRESNET,
        "normaliser": {"_target_": "srlab.normalisers.Identity"},
        "scale": scale,
        "bands": (1, "nir", 3),
        "input_names": ("red", "green", "blue"),
        "output_names": ("red", "green", "blue"),
        "unit": "reflectance × 10 000",
        "training_range": ((0.0, 1.0), (0.5, 2.5), (-1.0, 0.1)),
        "axes": axes(len(scale), *[10.0] * len(scale)),
        "versions": {"srlab": srlab.__version__, "torch": str(torch.__version__)},
    }
    return ModelCard(**fields | changes)


def fields_of(given):
    """The plain values of a card, as its JSON has them."""
    return json.loads(json.dumps(asdict(given)))


OLD = {
    "generator": SRRESNET,
    "normaliser": {"_target_": "srlab.normalisers.MinMax", "minimum": 0.0, "maximum": 255.0},
    "scale": [2, 2],
    "bands": [1, 2, 3],
    "channels": ["R", "G", "B"],
    "unit": "8-bit value",
    "training_range": [[0.0, 255.0], [0.0, 237.0], [0.0, 237.0]],
    "pixel_size": [10.0, 20.0],
    "versions": {"srlab": "0.1.0", "torch": "2.15.0"},
}
"""A card of format 1, as srlab 0.1.0 wrote it."""


def weights():
    """Tensors of the network of `card`, by the names of a bundle."""
    state = SRResNet(**ARGUMENTS).state_dict()
    return {f"generator.{name}": tensor for name, tensor in state.items()}


def model(generator="SRResNet", normaliser="Identity", *, scale=(2, 2), seed=0, **arguments):
    """A small model with weights, batch-norm statistics and a card that names it."""
    torch.manual_seed(seed)
    kind, sizes = GENERATORS[generator]
    channels = {"in_channels": 3, "out_channels": 3}
    recipe = {**channels, "scale": scale, "spatial_dims": len(scale), **sizes, **arguments}
    network = kind(**recipe)
    for name, tensor in network.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            tensor.copy_(0.5 + torch.rand(tensor.shape))
    normalise, numbers = NORMALISERS[normaliser]
    described = card(
        generator={"_target_": f"srlab.generators.{generator}", **recipe},
        normaliser={"_target_": f"srlab.normalisers.{normaliser}", **numbers},
        scale=scale,
        input_names=("red", "green", "blue", "nir")[: recipe["in_channels"]],
        output_names=("red", "green", "blue", "nir")[: recipe["out_channels"]],
        training_range=((0.0, 255.0),) * recipe["in_channels"],
    )
    built = normalise(**numbers)
    return SuperResolver(generator=network, normaliser=built, card=described).eval()


def image(*size, seed=1):
    return 255 * torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(seed))


def checkpoint(path, *, trained, average=None):
    """Write what a run leaves: the trained network, other modules, and perhaps the average."""
    state = {f"generator.{name}": tensor for name, tensor in trained.generator.state_dict().items()}
    for name, tensor in trained.normaliser.state_dict().items():
        state[f"normaliser.{name}"] = tensor
    state |= {"discriminator.weight": torch.ones(3), "loss.terms.vgg.weight": torch.ones(2)}
    if average:
        for name, tensor in average.generator.state_dict().items():
            state[f"ema.average.{name}"] = tensor
        state["ema.updates"] = torch.tensor(7)
    torch.save({"state_dict": state, "srlab": trained.card.to_json(), "global_step": 7}, path)
    return path


def written(folder, tensors=None, **changed):
    """Write a bundle with other tensors or fields of the card, by whatever JSON it then has."""
    path = folder / "model.safetensors"
    text = json.dumps(fields_of(card()) | changed)
    save_file(weights() if tensors is None else tensors, path, {"srlab": text})
    return path


def refusal(path):
    """Return the message by which a file is refused: of one line, not too long, naming the file."""
    with pytest.raises(ValueError, match=re.escape(str(path))) as caught:
        srlab.load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 1000
    return message
