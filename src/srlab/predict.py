"""``python -m srlab.predict``: one file through one model."""

from __future__ import annotations

import logging
import sys
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, ListConfig

from srlab.cli.arguments import quoted
from srlab.cli.command import prepare, require, run
from srlab.cli.termination import cleaned_up_if_stopped

if TYPE_CHECKING:
    from srlab.prediction import Request

log = logging.getLogger(__name__)


def predict(config: DictConfig) -> None:
    """Super-resolve `input` to `output`, tile by tile."""
    import srlab
    from srlab.cli.building import built
    from srlab.cli.following import check_asked
    from srlab.io import reserved
    from srlab.prediction import Opened, super_resolve_file

    require(config, "model", "input", "output")
    with reserved(config.output, source=config.input, overwrite=config.overwrite):
        models = [Opened(path, srlab.load(path, trust=config.trust)) for path in _paths(config)]
        for each in models:
            check_asked(config, each.model.card)
        outcome = super_resolve_file(
            models,
            config.input,
            config.output,
            request=_request(config),
            engine=built(config.engine),
            overwrite=config.overwrite,
            progress=True,
        )
    log.info("wrote %s: %s", config.output, outcome)


def _paths(config: DictConfig) -> list[str]:
    """Return the names of the models."""
    return [config.model] if isinstance(config.model, str) else list(config.model)


def _request(config: DictConfig) -> Request:
    """Return what is asked for."""
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
