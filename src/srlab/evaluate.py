"""``python -m srlab.evaluate``: a model against bicubic interpolation."""

from __future__ import annotations

import logging
import sys

from hydra.utils import instantiate
from omegaconf import DictConfig

from srlab.cli import command as cli
from srlab.mistakes import Mistake

log = logging.getLogger(__name__)


def evaluate(config: DictConfig) -> None:
    """Score every test image of a source, and compare pictures of the first."""
    import srlab
    from srlab.prediction.inference import chosen_device
    from srlab.report.scores import compare, write_report

    cli.require(config, "model")
    model = srlab.load(config.model, trust=config.trust)
    config.scale, config.spatial_dims = list(model.card.scale), model.card.spatial_dims
    data = instantiate(config.data, _convert_="all")
    if len(data.bands) != model.generator.in_channels:
        raise Mistake(
            f"data.bands names {len(data.bands)} bands and the model takes {model.generator.in_channels}: "
            f"it was trained on data.bands={list(model.card.bands)}."
        )
    result = compare(
        model,
        data,
        metrics=instantiate(config.metric, _convert_="all"),
        degradation=instantiate(config.degradation, _convert_="all"),
        tile=config.tile,
        overlap=config.overlap,
        device=chosen_device(config.device),
    )
    log.info("%s", result.table())
    if config.output is not None:
        for path in write_report(result, config.output):
            log.info("wrote %s", path)


def main() -> None:
    """Run the command."""
    cli.prepare()
    cli.run(evaluate, config_name="evaluate", arguments=cli.quoted(sys.argv[1:]))


if __name__ == "__main__":
    main()
