"""Values of a configuration that follow from the files, or from the model that is evaluated."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError

from srlab.axes import per_axis
from srlab.cli.building import built, of_key
from srlab.cli.settings import check_axes
from srlab.data.finding.files import find_files
from srlab.data.finding.masks import Masks
from srlab.data.finding.usable import LeftOut
from srlab.data.measuring.values import a_few, full_scale
from srlab.data.places.parts import OfParts
from srlab.data.sources.folder import opened
from srlab.data.sources.source import SizedPairDataset, Source
from srlab.data.splits.record import SPLIT, difference, read_record, record_of
from srlab.degradations import Degradation
from srlab.degradations.in_planes import InPlanes
from srlab.io import Axis, Description, Reader
from srlab.io.across import SPACE, VOLUME, Order, slices_both_ways
from srlab.mistakes import Mistake
from srlab.models.card import ModelCard
from srlab.models.rebuilding import build
from srlab.prediction.network.across import in_file

log = logging.getLogger(__name__)

OF_FILES = {"root", "suffixes", "bands", "data_range", "unit"}
"""The keys by which data of files are recognised, whose range of values may follow the files."""

MASKS = {"mask": "hidden_classes", "lr_mask": "lr_hidden_classes"}
"""The keys of data that name a mask, each with the key of the classes to hide."""


def follow_files(config: DictConfig) -> None:
    """Fill in ``data.data_range`` and ``data.unit`` by the files, unless the user sets them.

    This is done before anything is built, since degradations and normalisers refer to them.

    Raises a `Mistake` if they cannot be found from the files.
    """
    data = config.data
    if not set(data) >= OF_FILES or data.data_range not in (None, "measured"):
        return
    masks = Masks(
        mask=data.get("mask"), hidden_classes=data.get("hidden_classes", ()), suffixes=data.suffixes
    )
    paths = masks.without_masks(find_files(data.root, data.suffixes))
    grey = data.get("grey_as_colour", False)
    bands = list(data.get("hr_bands") or data.bands)
    left_out = LeftOut(len(paths))
    readers: list[Reader] = []
    try:
        if data.data_range == "measured":
            readers = [*opened(a_few(paths), bands, left_out, grey_as_colour=grey)]
        if not readers:  # only the type is wanted, or none of a few could be opened
            readers = [next(opened(paths, bands, left_out, grey_as_colour=grey))]
        data.data_range, unit = full_scale(readers, data.data_range)
    except Mistake as error:
        raise of_key(error, "data.root") from error
    data.unit = data.unit or unit
    log.info(
        "data.data_range is %g, the peak of PSNR and SSIM, and data.unit is %s, by the files",
        data.data_range, data.unit,
    )  # fmt: skip


def follow_axes(config: DictConfig, card: ModelCard) -> None:
    """Set the scale and the number of axes to those of the model.

    A model that makes thick slices thinner works on planes, but is scored on whole volumes, unless
    the source itself makes planes.
    """
    scale = card.scale
    if _of_volumes(config, card):
        scale = in_file(_order_of_volumes(card), card.scale, otherwise=1)
        log.info(
            "volumes are scored: their slices along %s, made %d times as thick, through the model",
            card.across, card.scale[0],
        )  # fmt: skip
    config.scale, config.spatial_dims = list(scale), len(scale)


def _of_volumes(config: DictConfig, card: ModelCard) -> bool:
    return bool(card.across) and "across" not in config.data


def _order_of_volumes(card: ModelCard) -> Order:
    """Return the order of a volume's axes in which the last two are those of the model's planes."""
    volume = Description((1,) * SPACE, tuple(map(Axis, VOLUME)), ())
    return slices_both_ways("a volume", volume, card.across)[0]


def degradation_of(card: ModelCard, config: DictConfig) -> Degradation:
    """Build the degradation that the user chooses, otherwise that of the model's training."""
    if card.degradation and not is_chosen("degradation"):
        trained_on = _of_card(card.degradation, trust=config.trust)
        if _of_volumes(config, card):
            return InPlanes(trained_on, across=VOLUME.index(card.across))
        return trained_on
    chosen: Degradation = built(config.degradation)
    used = OmegaConf.to_container(config.degradation, resolve=True)
    log.warning(
        "LR is made by %s; the model was trained on %s", used, card.degradation or "an unknown one"
    )
    return chosen


def chosen_degradation(config: DictConfig, card: ModelCard) -> dict[str, Any] | None:
    """Return the recipe of the degradation that is chosen for a prediction, if one is.

    Its scale and number of axes are those of the model.
    """
    if not config.get("degradation"):
        return None
    axes = {"scale": list(card.scale), "spatial_dims": len(card.scale)}
    whole = OmegaConf.create(axes | {"degradation": OmegaConf.to_container(config.degradation)})
    try:
        recipe: Any = OmegaConf.to_container(whole.degradation, resolve=True)
    except InterpolationResolutionError as error:
        raise Mistake(
            "this degradation= takes values from data=, which a prediction has not: choose one "
            "that stands alone, such as gaussian_mtf."
        ) from error
    return dict(recipe)


def guide_degradation_of(card: ModelCard, config: DictConfig) -> Degradation:
    """Build the degradation of the guides that the user chooses, otherwise that of the card."""
    if card.guide_degradation and not is_chosen("degradation"):
        return _of_card(card.guide_degradation, trust=config.trust)
    chosen: Degradation = built(config.data.guide_degradation)
    return chosen


def _of_card(recipe: Mapping[str, Any], *, trust: bool) -> Degradation:
    try:
        result: Degradation = build(recipe, package="srlab.degradations", kind=object, trust=trust)
    except Mistake as error:
        raise Mistake(f"{error} Or choose another by degradation=.") from error
    return result


def is_chosen(key: str) -> bool:
    """Whether the command line chooses from a group, or sets a key in it."""
    settings = [str(line).lstrip("+~") for line in HydraConfig.get().overrides.task]
    return any(line.startswith((f"{key}=", f"{key}.", f"{key}@")) for line in settings)


def check_split(config: DictConfig) -> None:
    """Raise a `Mistake` if a split is chosen for data that have a fixed split."""
    if is_chosen("split") and "split" not in config.data:
        raise Mistake(
            "split= has no effect on these data, which are split already; leave it out, or choose "
            "other data, such as data=rgb_folder."
        )


def check_masks(config: DictConfig) -> None:
    """Raise a `Mistake` if classes are to be hidden, but no mask shows them."""
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        return  # a sweep may compare a mask with none
    for mask, classes in MASKS.items():
        if is_chosen(f"data.{classes}") and mask in config.data and config.data[mask] is None:
            raise Mistake(
                f"data.{classes} hides nothing without a mask: set data.{mask}, a band of classes "
                "or files beside the images, or leave it out."
            )


def follow_split(config: DictConfig) -> None:
    """Split the files as the model's run did, unless the user chooses a split."""
    kept = _kept_split(config.model)
    if config.part == "all" or kept is None or is_chosen("split") or "split" not in config.data:
        return
    config.split = OmegaConf.create({"_target_": "srlab.data.splits.Saved", "path": str(kept)})
    log.info("the files are split as by %s", kept)


def scored_pairs(config: DictConfig, data: Source) -> SizedPairDataset:
    """Return the pairs of the chosen ``part`` of the data.

    Raises a `Mistake` if the data have no split, or another one than the model's run.
    """
    if config.part == "all":
        return data.test
    if not isinstance(data, OfParts):
        raise Mistake(
            f"part={config.part} needs data that split= divides, and {type(data).__name__} does "
            "not; leave it out, or choose other data."
        )
    path = _kept_split(config.model)
    if path is not None:
        kept, now = read_record(path), record_of(data.parts.parted)
        both = [name for name in kept if name in now]
        before = {name: kept[name] for name in both}
        change = difference(before, {name: now[name] for name in both})
        if change is not None:
            raise Mistake(
                f"part={config.part} by split={_choice('split')} is not what the model's run held "
                f"out ({path}): {change}; leave split= out, or choose part=all."
            )
    return data.parts.scored(config.part)


def _choice(group: str) -> str:
    return str(HydraConfig.get().runtime.choices[group])


def _kept_split(model: str) -> Path | None:
    """Return the record of a split in the folder of a model's run, if there is one."""
    bundle = Path(model)
    candidates = [folder / SPLIT for folder in (bundle.parent, bundle.parent.parent)]
    return next((path for path in candidates if path.is_file()), None)


def check_asked(config: DictConfig, card: ModelCard) -> None:
    """Raise a `Mistake` if the command line contradicts the model."""
    if is_chosen("normaliser"):
        raise Mistake("normaliser= cannot be chosen: the model brings its own; leave it out.")
    dims = len(card.scale)
    if is_chosen("spatial_dims") and config.spatial_dims != dims:
        raise Mistake(
            f"spatial_dims={config.spatial_dims} was asked for and {config.model} is a model for "
            f"{dims}; leave it out, or name another model."
        )
    if is_chosen("scale") and config.scale is not None:
        check_axes(OmegaConf.create({"scale": config.scale, "spatial_dims": dims}), "scale")
        if per_axis(config.scale, dims) != card.scale:
            raise Mistake(
                f"scale={config.scale} was asked for and {config.model} is a model for scale "
                f"{card.scale}."
            )
