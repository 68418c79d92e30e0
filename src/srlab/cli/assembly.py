"""Building of a training's objects from its configuration, in the order of `srlab.train`.

Objects of Lightning, which takes seconds to import, are built in `srlab.cli.running`.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from srlab.cli.building import built, named, refused_by_library
from srlab.cli.describing import output_names
from srlab.cli.resume import CONFIG
from srlab.data import Source
from srlab.data.places.parts import OfParts
from srlab.data.sources.source import MeasuredSource, Sample, axes_of_hr, has_scenes_of_hr
from srlab.data.splits.record import SPLIT, difference, read_record, record_of, write_record
from srlab.generators import Generator
from srlab.losses import WeightedLoss, WeightedTerm
from srlab.mistakes import Mistake
from srlab.models.agreement import Agreement
from srlab.models.pretrained.weights import load_weights
from srlab.nn.acceleration import accelerate
from srlab.normalisers import Normaliser
from srlab.training.adversary import Adversary
from srlab.training.ema import EMA
from srlab.training.losses import Losses
from srlab.training.optimisers.optimisation import Optimisation, parameter_groups
from srlab.training.validation import Validation

TOLERANCE = 1e-4
"""The largest error of a normaliser's inverse, as a share of the largest value."""

SCENES = "scenes.json"
"""The file in a run's folder with the statistics of each training file."""


def seed(config: DictConfig) -> None:
    """Seed every random generator of the process."""
    random.seed(config.seed)
    np.random.seed(config.seed)
    torch.manual_seed(config.seed)


def generator(config: DictConfig) -> Generator:
    """Build the generator, with newly initialised weights."""
    network: Generator = built(config.generator)
    return network


def fill(
    generator: Generator, config: DictConfig, data: Source, state: dict[str, Any] | None
) -> None:
    """Load a generator's weights: those of a checkpoint, or of `weights` if it is set."""
    network: Any = generator
    if state:
        _restore(network, state["state_dict"])
    elif config.weights:
        match = config.weights_match
        load_weights(network, config.weights, match=match, names=data.channel_names)
    accelerate(network, channels_last=config.channels_last, compiled=config.compile)


def _restore(network: nn.Module, tensors: dict[str, Any]) -> None:
    """Fill a generator from a checkpoint.

    Lightning would do so only later, but some generators are built from their weights.
    """
    prefix = "generator."
    own = {name.removeprefix(prefix): tensors[name] for name in tensors if name.startswith(prefix)}
    try:
        network.load_state_dict(own)
    except RuntimeError as error:
        raise Mistake(
            "the checkpoint holds another network than the run's config.yaml describes: put that "
            "back as it was."
        ) from error


def adversary(config: DictConfig) -> Adversary | None:
    """Build the discriminator with its objective and optimiser; None without a discriminator."""
    discriminator = built(config.discriminator)
    if discriminator is None:
        return None
    # Never compiled: a gradient penalty differentiates it twice.
    accelerate(discriminator, channels_last=config.channels_last, compiled=False)
    game: Adversary = built(config.adversarial)(
        discriminator=discriminator,
        training=training(config, "discriminator", discriminator),
        penalty=built(config.penalty),
    )
    return game


def try_crop(config: DictConfig, adversary: Adversary | None, data: Source) -> None:
    """Run the discriminator on a blank crop, to raise before training if crops are too small."""
    if adversary is None:
        return
    hr = data.training[0]["hr"]
    channels = config.discriminator.get("in_channels", len(hr))
    with torch.no_grad():
        adversary.discriminator.eval()(torch.zeros(1, channels, *hr.shape[1:]))
    adversary.discriminator.train()


def measure(
    normaliser: Normaliser, data: Source, state: dict[str, Any] | None, folder: Path
) -> None:
    """Measure the statistics that a normaliser needs; a checkpoint holds those of its run.

    Raises a `Mistake` if the source cannot be measured, or the normaliser's inverse is wrong.
    """
    if normaliser.scope == "scene":
        _measured(data, normaliser).gather_scenes(folder / SCENES)
    elif normaliser.scope == "training" and not state:
        measured = _measured(data, normaliser)
        normaliser.fit(hr=measured.statistics, lr=measured.lr_statistics)
    if not state:
        check_inverse(normaliser, data.training[0])


def check_inverse(normaliser: Normaliser, sample: Sample) -> None:
    """Raise a `Mistake` if a normaliser's inverse does not restore HR."""
    hr, scene = sample["hr"][None], sample.get("scene")
    scenes = None if scene is None else scene[None]
    again = normaliser.inverse(normaliser.hr(hr, scenes), scenes)
    error = (again - hr).abs()
    worst = int(error.nan_to_num(torch.inf).argmax())
    if not float(error.flatten()[worst]) <= TOLERANCE * float(hr.abs().max()):
        raise Mistake(
            f"the inverse of {type(normaliser).__name__} makes {float(again.flatten()[worst]):.6g} "
            f"of what was {float(hr.flatten()[worst]):.6g} in a training crop; let it undo the way "
            "to the network's range, without clamping, or choose another normaliser."
        )


def _measured(data: Source, normaliser: Normaliser) -> MeasuredSource:
    """Return a source that can measure its files, and raise a `Mistake` for any other."""
    if not isinstance(data, MeasuredSource):
        raise Mistake(
            f"{type(normaliser).__name__} needs the statistics of the images, which "
            f"{type(data).__name__} does not offer: give it the methods statistics, lr_statistics "
            "and gather_scenes (srlab.data.sources), or choose normaliser=minmax or identity."
        )
    return data


def content(config: DictConfig) -> WeightedLoss:
    """Build the content terms."""
    return WeightedLoss(_terms(config.loss))


def losses(
    config: DictConfig,
    data: Source,
    generator: Generator,
    normaliser: Normaliser,
    content: WeightedLoss,
) -> Losses:
    """Build the losses of the generator, with its projection onto LR if one is configured."""
    degradation, agreement = built(config.degradation), None
    if config.projection:
        agreement = Agreement(
            degradation, input_names=data.channel_names, output_names=output_names(config, data)
        )
    return Losses(
        generator=generator,
        normaliser=normaliser,
        content=content,
        degradation=degradation,
        data_range=data.data_range,
        agreement=agreement,
    )


def _terms(nodes: DictConfig) -> dict[str, WeightedTerm]:
    """Build the loss terms; a node with a weight and a term but no class is a `WeightedTerm`."""
    terms = named(nodes)
    for name, entry in terms.items():
        if isinstance(entry, dict) and {"weight", "term"} <= set(entry):
            terms[name] = WeightedTerm(**entry)
    return terms


def training(config: DictConfig, name: str, network: Any) -> Optimisation:
    """Build the optimisation of a network; `name` is ``generator`` or ``discriminator``."""
    optimisation = Optimisation(
        optimiser=built(config.optimiser[name]),
        scheduler=built(config.scheduler[name]),
        clip=built(config.clipping[name]),
    )
    # A trial, since Lightning would meet a mistake in the arguments only much later.
    groups = parameter_groups(network)
    with refused_by_library(f"optimiser.{name}"):
        optimiser = optimisation.optimiser(groups)
    with refused_by_library(f"scheduler.{name}"):
        optimisation.scheduler(optimiser)
    return optimisation


def average(config: DictConfig, generator: Generator) -> EMA | None:
    """Build the running average of the generator's weights; None if it is not configured."""
    partial_ema = built(config.ema)
    if partial_ema is None:
        return None
    with refused_by_library("ema"):
        ema: EMA = partial_ema(generator)
    return ema


def validation(metrics: dict[str, Any], data: Source, degradation: Any) -> Validation:
    """Build the scores of a validation."""
    return Validation(
        metrics=metrics,
        degradation=degradation,
        data_range=data.data_range,
        axes=axes_of_hr(data),
        crop=data.training[0]["hr"].shape[1:],
        scenes_of_hr=has_scenes_of_hr(data),
    )


def check_files(data: Source, folder: Path) -> None:
    """Raise a `Mistake` if the files of a resumed run are split otherwise than at its start."""
    if not isinstance(data, OfParts):
        return
    kept = read_record(folder / SPLIT)
    change = difference(kept, record_of(data.parts.parted))
    if change is not None:
        raise Mistake(
            f"the files are not those that the run began with ({folder / SPLIT}): {change}. Put "
            "them back as they were, or start a new run from its weights by weights=."
        )


def save(config: DictConfig, data: Source, folder: Path) -> None:
    """Write the configuration, for resuming, and the split of the files to the run's folder."""
    if isinstance(data, OfParts):
        write_record(record_of(data.parts.parted), folder / SPLIT)
    OmegaConf.save(config, folder / CONFIG)
