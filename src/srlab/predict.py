"""``python -m srlab.predict``: one file through one model."""

from __future__ import annotations

import logging
import sys

from omegaconf import DictConfig

from srlab.cli import command as cli
from srlab.mistakes import Mistake

log = logging.getLogger(__name__)


def predict(config: DictConfig) -> None:
    """Super-resolve `input` to `output`, tile by tile."""
    import srlab
    from srlab.axes import per_axis
    from srlab.io import Provenance, create_writer, open_reader
    from srlab.models.compatibility import refuse_stranger
    from srlab.models.super_resolver import file_hash
    from srlab.prediction.inference import chosen_device, plan_tiles, super_resolve

    cli.require(config, "model", "input", "output")
    model = srlab.load(config.model, trust=config.trust)
    noise = None if config.noise_seed is None else model.draw_noise(config.noise_seed)
    scale = model.card.scale
    if config.scale is not None and per_axis(config.scale, len(scale)) != scale:
        raise Mistake(
            f"scale={config.scale} was asked for and {config.model} is a model for scale {scale}."
        )
    reader = open_reader(config.input, bands=config.bands or model.card.bands)
    if not config.force:
        refuse_stranger(model.card, reader)
    device = chosen_device(config.device)
    plan = plan_tiles(model, reader, tile=config.tile, overlap=config.overlap)
    description = (
        "super-resolved" if noise is None else f"super-resolved, noise seed {config.noise_seed}"
    )
    provenance = Provenance(
        software=f"srlab {srlab.__version__}",
        model=file_hash(config.model),
        description=description,
    )
    writer = create_writer(
        config.output, like=reader, scale=scale, provenance=provenance, overwrite=config.overwrite
    )
    super_resolve(
        model,
        reader,
        writer,
        plan=plan,
        noise=noise,
        batch_size=config.batch_size,
        device=device,
        progress=True,
    )
    log.info("wrote %s", config.output)


def main() -> None:
    """Run the command."""
    cli.prepare()
    cli.run(predict, config_name="predict", arguments=cli.quoted(sys.argv[1:]))


if __name__ == "__main__":
    main()
