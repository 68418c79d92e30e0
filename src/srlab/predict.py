"""``python -m srlab.predict``: super-resolve one file, or many files one after the other."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, ListConfig

from srlab.cli.arguments import quoted
from srlab.cli.command import prepare, require, require_models, run
from srlab.cli.termination import cleaned_up_if_stopped
from srlab.mistakes import Mistake

if TYPE_CHECKING:
    from srlab.models.card import ModelCard
    from srlab.prediction import Opened, Request, Row

log = logging.getLogger(__name__)

NAMED = 3
"""The most failed files that are named at the end."""


def predict(config: DictConfig) -> None:
    """Super-resolve `input` to `output` tile by tile, or many inputs into a folder."""
    from srlab.io.naming import is_many

    require(config, "model", "input", "output")
    require_models(config.model)
    given = config.input if isinstance(config.input, str) else list(config.input)
    if is_many(given):
        _predict_many(config, given)
    else:
        _predict_one(config)


def _predict_one(config: DictConfig) -> None:
    from srlab.io import reserved
    from srlab.io.naming import output_of

    output = output_of(config.input, config.output)
    # A bad name is refused before torch is imported, which takes seconds.
    with reserved(output, source=config.input, overwrite=config.overwrite):
        card = _made(config, output)
    if config.preview:
        _preview(config, card, output)


def _made(config: DictConfig, output: Path) -> ModelCard:
    """Make one output, and return the card of its model."""
    from srlab.cli.building import built
    from srlab.prediction import super_resolve_file

    models = _models(config)
    card = models[0].model.card
    outcome = super_resolve_file(
        models,
        config.input,
        output,
        request=_request(config, card),
        engine=built(config.engine),
        overwrite=config.overwrite,
        progress=True,
    )
    log.info("wrote %s: %s", output, outcome)
    return card


def _preview(config: DictConfig, card: ModelCard, output: Path) -> None:
    """Write a small picture beside an output."""
    from srlab.io import open_reader
    from srlab.models.compatibility import open_input
    from srlab.report.preview import write_preview

    source = open_input(
        card,
        config.input,
        bands=config.bands,
        guide=config.guide,
        guides=config.guides,
        dates=config.dates,
    )
    picture = output.with_name(f"{output.name}.preview.png")
    write_preview(source, open_reader(output), picture, continued=card.continued)
    log.info("wrote %s", picture)


def _predict_many(config: DictConfig, given: str | list[str]) -> None:
    from srlab.io.naming import folder_for

    if config.preview:
        raise Mistake("preview=true is for a single file: leave it out for many.")
    # A bad name is refused before torch is imported, which takes seconds.
    folder = folder_for(given, config.output)
    rows = _made_many(config, given, folder)
    counts = Counter(row.status for row in rows)
    listed = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    log.info("%s: %s; see manifest.csv there", folder, listed)
    failed = [row.input for row in rows if row.status == "failed"]
    if failed:
        more = f" and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
        raise Mistake(
            f"{len(failed)} of {len(rows)} files failed: {', '.join(failed[:NAMED])}{more}. The "
            f"reasons are printed above, and in {folder}/manifest.csv."
        )


def _made_many(config: DictConfig, given: str | list[str], folder: Path) -> list[Row]:
    from srlab.cli.building import built
    from srlab.prediction import pairs_of, super_resolve_files

    pairs = pairs_of(given, config.output)
    models = _models(config)
    return super_resolve_files(
        models,
        pairs,
        folder,
        request=_request(config, models[0].model.card),
        engine=built(config.engine),
        overwrite=config.overwrite,
        progress=True,
    )


def _models(config: DictConfig) -> list[Opened]:
    """Open the model, or all models whose outputs are averaged."""
    import srlab
    from srlab.cli.following import check_asked
    from srlab.prediction import Opened

    models = [Opened(path, srlab.load(path, trust=config.trust)) for path in _paths(config)]
    for each in models:
        check_asked(config, each.model.card)
    return models


def _paths(config: DictConfig) -> list[str]:
    """Return the names of the models."""
    return [config.model] if isinstance(config.model, str) else list(config.model)


def _request(config: DictConfig, card: ModelCard) -> Request:
    """Return the settings of a prediction, and the options of its writer."""
    from srlab.cli.following import chosen_degradation
    from srlab.prediction import Request

    names = {each.name for each in fields(Request)} & {str(name) for name in config}
    values: dict[str, Any] = {}
    for name in sorted(names):
        value = config[name]
        values[name] = list(value) if isinstance(value, ListConfig) else value
    options = {
        "compression": config.compression,
        "layout": config.layout,
        "codec": config.codec,
        "ome_version": None if config.ome_version is None else str(config.ome_version),
        "statistics": "true" if config.statistics else None,
    }
    values["precision"] = str(config.precision)
    values["degradation"] = chosen_degradation(config, card)
    return Request(**values, options=options)


def main() -> None:
    """Run the command."""
    prepare()
    with cleaned_up_if_stopped():
        run(
            predict,
            config_name="predict",
            settings="srlab.cli.settings.PredictSettings",
            arguments=quoted(sys.argv[1:]),
        )


if __name__ == "__main__":
    main()
