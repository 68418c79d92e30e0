"""``python -m srlab.summary``: the size and cost of the networks of a training configuration."""

from __future__ import annotations

import logging
import sys

from omegaconf import DictConfig

from srlab.cli.arguments import quoted
from srlab.cli.command import prepare, run

log = logging.getLogger(__name__)


def summary(config: DictConfig) -> None:
    """Print a table of generator and discriminator, for the batches and crops of the training."""
    from srlab.axes import check_counts, per_axis
    from srlab.cli.building import built
    from srlab.cli.settings import check_axes, check_bands, check_guides
    from srlab.report.summary import summarise, table

    check_axes(config, "scale", "crop_size")
    check_bands(config)
    check_guides(config)
    scale = per_axis(config.scale, config.spatial_dims)
    crop = per_axis(config.data.get("crop_size", config.crop_size), config.spatial_dims)
    batch_size = config.loader.batch_size
    check_counts(**{"loader.batch_size": batch_size})
    rows = [summarise(built(config.generator), crop=crop, scale=scale, batch_size=batch_size)]
    discriminator = built(config.discriminator)
    if discriminator is not None:
        same = (1,) * len(crop)
        rows.append(summarise(discriminator, crop=crop, scale=same, batch_size=batch_size))
    pixels, factors = " × ".join(map(str, crop)), " × ".join(map(str, scale))
    log.info("batches of %d crops of %s HR pixels at scale %s", batch_size, pixels, factors)
    log.info("%s", table(rows))


def main() -> None:
    """Run the command on the configuration of a training run, without a run's folder."""
    prepare()
    quiet = [
        "hydra/help=summary",
        "hydra.run.dir=.",
        "hydra.output_subdir=null",
        "hydra/job_logging=quiet",
        "hydra/hydra_logging=quiet",
    ]
    run(
        summary,
        config_name="train",
        settings="srlab.cli.settings.TrainSettings",
        arguments=[*quiet, *quoted(sys.argv[1:])],
    )


if __name__ == "__main__":
    main()
