"""Making a model of published weights, without a training run."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, cast

from torch import nn

from srlab.files import PathLike
from srlab.generators import Generator, Reduced
from srlab.generators.spandrel import Spandrel, recognised
from srlab.mistakes import MissingPackage, Mistake
from srlab.models.bundle import CARD_KEY, open_safetensors
from srlab.models.card import JSON
from srlab.models.pictures import are_pictures, card_of_pictures
from srlab.models.pretrained import ncnn
from srlab.models.pretrained.layouts import LAYOUTS, UNIT
from srlab.models.pretrained.reading import WeightsFile, read_weights
from srlab.models.pretrained.sizes import sizes_of
from srlab.models.pretrained.weights import fitted
from srlab.models.rebuilding import build
from srlab.models.super_resolver import SuperResolver
from srlab.normalisers import MinMax

log = logging.getLogger(__name__)


def is_published(path: PathLike) -> bool:
    """Whether a file holds published weights, by its suffix; a bundle or a checkpoint does not."""
    path = Path(path)
    if path.suffix == ".safetensors" and path.is_file():
        return CARD_KEY not in open_safetensors(path)[1]
    return path.suffix in (".pth", ".pt", *ncnn.SUFFIXES)


def published(path: PathLike) -> SuperResolver:
    """Return a model with published weights, for 8-bit pictures in colour or grey.

    The architecture and its sizes are found from the names and shapes of the tensors. The spandrel
    library opens networks that srlab does not know, if it is installed. No code in the file is run.

    Raises a `Mistake` if the network is unknown, or does not map pictures to pictures.
    """
    path = Path(path)
    file = read_weights(path, own_names=())
    network, recipe = _rebuilt(file)
    generator = cast(Generator, network)
    channels = generator.in_channels
    outputs = generator.out_channels
    values = file.layout.values if file.layout else UNIT
    if not are_pictures(channels, outputs) or len(values.minimum) not in (1, channels):
        raise Mistake(
            f"{path} holds {file.origin} from {channels} channels to {outputs}; only networks of "
            "pictures, in grey (1) or colour (3), can be applied as they are. Start a run from it "
            "by weights=."
        )

    limits: Any = {"minimum": [*values.minimum], "maximum": [*values.maximum]}
    card = card_of_pictures(
        generator=recipe,
        normaliser={"_target_": "srlab.normalisers.MinMax", **limits},
        scale=generator.scale,
        channels=channels,
        training_data=f"published weights {path.name}",
    )
    log.info("%s holds %s for scale %d", path, file.origin, generator.scale[0])
    model = SuperResolver(generator=network, normaliser=MinMax(**limits), card=card)
    return model.eval().requires_grad_(False)


def _rebuilt(file: WeightsFile) -> tuple[nn.Module, dict[str, JSON]]:
    """Build the network of a file, and return it with its recipe for the card."""
    if file.layout is None:
        return _by_spandrel(file)
    recipe: dict[str, JSON] = {"_target_": f"srlab.generators.{file.layout.kind.__name__}"}
    recipe |= sizes_of(file)
    generator = build(recipe, package="srlab.generators")
    generator.load_state_dict(fitted(generator, file).fitting)
    if file.reduction == 1:
        return generator, recipe
    scale = _reduced_scale(file, generator.scale[0])
    reduced = Reduced(network=generator, scale=scale)
    return reduced, {"_target_": "srlab.generators.Reduced", "network": recipe, "scale": scale}


def _reduced_scale(file: WeightsFile, full_scale: int) -> int:
    """Return the scale of a network whose output is made smaller by a bicubic reduction."""
    scale = round(full_scale * file.reduction, 3)
    if scale not in range(1, full_scale + 1):
        raise Mistake(
            f"{file.path} holds {file.origin} for scale {full_scale} and resizes its output by "
            f"{file.reduction:g}; this must give a whole scale, of at most {full_scale}."
        )
    return int(scale)


def _by_spandrel(file: WeightsFile) -> tuple[nn.Module, dict[str, JSON]]:
    """Build a network that srlab does not know itself, and return it with its recipe."""
    known = ", ".join(layout.origin for layout in LAYOUTS)
    unknown = (
        f"{file.path} has no model card, and its tensors are not of a network that srlab knows by "
        f"itself ({known})"
    )
    try:
        found = recognised(file.tensors)
    except MissingPackage as error:
        raise MissingPackage(
            f"{unknown}; the spandrel library knows many more: pip install 'srlab[spandrel]'."
        ) from error
    except Mistake as error:
        raise Mistake(f"{unknown}, and {error}") from error
    arguments: dict[str, JSON] = {"in_channels": found.input_channels, "scale": found.scale}
    generator = Spandrel(in_channels=found.input_channels, scale=found.scale)
    generator.load_state_dict(dict(file.tensors))
    return generator, {"_target_": "srlab.generators.Spandrel", **arguments}
