"""``python -m srlab.evaluate``: compare a model with bicubic interpolation."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from srlab.cli.arguments import quoted
from srlab.cli.command import prepare, require, require_models, run
from srlab.cli.settings import check_bands, check_seed
from srlab.cli.termination import cleaned_up_if_stopped
from srlab.mistakes import Mistake

if TYPE_CHECKING:
    from srlab.data import Source
    from srlab.degradations import Degradation
    from srlab.models.card import ModelCard
    from srlab.models.super_resolver import SuperResolver

log = logging.getLogger(__name__)


def evaluate(config: DictConfig) -> None:
    """Score a model and bicubic interpolation on the images of a source, and draw one of them."""
    require(config, "model")
    require_models([config.model])
    check_bands(config)
    check_seed(config.seed)
    _check_report(config)
    # Only now is torch imported, which takes seconds.
    import srlab
    from srlab.cli.building import named
    from srlab.cli.following import degradation_of, scored_pairs
    from srlab.prediction.network.device import chosen_device
    from srlab.report.scores import compare, write_report

    model = srlab.load(config.model, trust=config.trust)
    _follow(config, model.card)
    degradation = degradation_of(model.card, config)
    data = _source(config, model, degradation)
    result = compare(
        model,
        data,
        pairs=scored_pairs(config, data),
        metrics=named(config.metric),
        degradation=degradation,
        tile=config.tile,
        overlap=config.overlap,
        edges=config.edges,
        device=chosen_device(config.device),
        progress=True,
    )
    log.info("%s", result.table())
    if config.output is not None:
        for path in write_report(result, config.output):
            log.info("wrote %s", path)


def _follow(config: DictConfig, card: ModelCard) -> None:
    """Fill in the values that follow from the model and from the files, and check the others."""
    from srlab.cli.following import (
        check_asked,
        check_masks,
        check_split,
        follow_axes,
        follow_files,
        follow_split,
    )

    check_asked(config, card)
    follow_axes(config, card)
    check_split(config)
    check_masks(config)
    follow_split(config)
    follow_files(config)


def _source(config: DictConfig, model: SuperResolver, degradation: Degradation) -> Source:
    """Build the source of test images; raises a `Mistake` if they do not fit the model."""
    from srlab.cli.building import built
    from srlab.cli.following import guide_degradation_of
    from srlab.models.compatibility import refuse_strange_source

    card = model.card
    arguments = {}
    if "degradation" in config.data:  # sources of measured pairs have none
        arguments["degradation"] = degradation
    if "guide_degradation" in config.data:
        arguments["guide_degradation"] = guide_degradation_of(card, config)
    data = built(config.data, **arguments)
    if len(data.channel_names) != model.generator.in_channels:
        guides = f" and data.guides={list(card.guides)}" if card.guides else ""
        raise Mistake(
            f"data.bands names {len(data.bands)} bands and the model takes "
            f"{model.generator.in_channels}: it was trained on data.bands={list(card.bands)}"
            f"{guides}."
        )
    refuse_strange_source(card, data, force=config.force)
    if model.normaliser.scope == "scene":
        with TemporaryDirectory() as folder:
            data.gather_scenes(Path(folder) / "scenes.json")
    source: Source = data
    return source


def _check_report(config: DictConfig) -> None:
    """Raise a `Mistake` before anything is scored if there is nothing to report, or no folder."""
    if not config.metric:
        raise Mistake("metric=[] reports nothing; choose one at least, such as metric=[psnr].")
    if config.output is None:
        return
    folder = Path(config.output).absolute()
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir():
        raise Mistake(f"output={config.output}: {there} is a file; name a folder elsewhere.")
    if not os.access(there, os.W_OK):
        raise Mistake(f"output={config.output}: {there} may not be written to; write elsewhere.")


def main() -> None:
    """Run the command."""
    prepare()
    with cleaned_up_if_stopped():
        run(
            evaluate,
            config_name="evaluate",
            settings="srlab.cli.settings.EvaluateSettings",
            arguments=quoted(sys.argv[1:]),
        )


if __name__ == "__main__":
    main()
