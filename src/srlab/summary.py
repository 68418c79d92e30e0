"""``python -m srlab.summary``: what the networks of a composed run cost."""

from __future__ import annotations

import logging
import sys

from hydra.utils import instantiate
from omegaconf import DictConfig

from srlab.cli import command as cli

log = logging.getLogger(__name__)


def summary(config: DictConfig) -> None:
    """Print a table of the generator and the discriminator, for batches and crops as the run would train on."""
    from srlab.axes import per_axis
    from srlab.report.summary import summarise, table

    scale = per_axis(config.scale, config.spatial_dims)
    crop = per_axis(config.data.crop_size, config.spatial_dims)
    batch_size = config.loader.batch_size
    generator = instantiate(config.generator, _convert_="all")
    rows = [
        summarise(
            generator,
            in_channels=generator.in_channels,
            crop=crop,
            scale=scale,
            batch_size=batch_size,
        )
    ]
    if config.discriminator is not None:
        discriminator = instantiate(config.discriminator, _convert_="all")
        channels, same = config.discriminator.in_channels, (1,) * len(crop)
        rows.append(
            summarise(
                discriminator, in_channels=channels, crop=crop, scale=same, batch_size=batch_size
            )
        )
    pixels = " × ".join(map(str, crop))
    log.info(
        "batches of %d crops of %s HR pixels at scale %s",
        batch_size,
        pixels,
        " × ".join(map(str, scale)),
    )
    log.info("%s", table(rows))


def main() -> None:
    """Run the command on the configuration of a training run, without a run's folder."""
    cli.prepare()
    quiet = [
        "hydra.run.dir=.",
        "hydra.output_subdir=null",
        "hydra/job_logging=quiet",
        "hydra/hydra_logging=quiet",
    ]
    cli.run(
        summary,
        config_name="train",
        arguments=["hydra/help=summary", *quiet, *cli.quoted(sys.argv[1:])],
    )


if __name__ == "__main__":
    main()
