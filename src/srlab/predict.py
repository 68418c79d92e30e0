"""``python -m srlab.predict``: one file through one model."""

from __future__ import annotations

import logging
import sys

from omegaconf import DictConfig

from srlab.cli.allocation import keep_freed_memory
from srlab.cli.arguments import quoted
from srlab.cli.command import prepare, require, run
from srlab.cli.termination import cleaned_up_if_stopped

log = logging.getLogger(__name__)


def predict(config: DictConfig) -> None:
    """Super-resolve `input` to `output`, tile by tile."""
    from srlab.files import new_file
    from srlab.io import reserved

    require(config, "model", "input", "output")
    with reserved(config.output, source=config.input, overwrite=config.overwrite):
        if config.guide is not None:
            new_file(config.output, overwrite=config.overwrite, source=config.guide)
        _predict(config)
    log.info("wrote %s", config.output)


def _predict(config: DictConfig) -> None:
    import srlab
    from srlab.cli.following import check_asked
    from srlab.io import create_writer
    from srlab.models.compatibility import open_input, refuse_stranger
    from srlab.prediction import alpha_of, plan_tiles, super_resolve
    from srlab.prediction.device import chosen_device
    from srlab.prediction.matching import matching_input
    from srlab.prediction.output import output_description, provenance, scene_of

    model = srlab.load(config.model, trust=config.trust)
    check_asked(config, model.card)
    noise = None if config.noise_seed is None else model.draw_noise(config.noise_seed)
    reader = open_input(
        model.card,
        config.input,
        bands=config.bands,
        guide=config.guide,
        guides=config.guides,
        dates=config.dates,
    )
    refuse_stranger(model.card, reader, force=config.force)
    alpha = alpha_of(config.input, reader)
    device = chosen_device(config.device)
    scene = scene_of(model, reader)
    plan = plan_tiles(
        model, reader, tile=config.tile, overlap=config.overlap, edges=config.edges, scene=scene
    )
    description = output_description(model, reader.description, alpha=alpha)
    writer = create_writer(
        config.output,
        description,
        provenance=provenance(
            config.model,
            plan,
            device=device,
            allocation=keep_freed_memory(),
            training_data=model.card.training_data,
            noise_seed=config.noise_seed,
            scene=scene,
            forced=list(config.force),
            guide=config.guide,
            match_histogram=config.match_histogram,
            dates=config.dates,
        ),
        source=config.input,
        overwrite=config.overwrite,
        options={
            "compression": config.compression,
            "layout": config.layout,
            "codec": config.codec,
            "ome_version": None if config.ome_version is None else str(config.ome_version),
            "statistics": "true" if config.statistics else None,
        },
    )
    if config.match_histogram:
        writer = matching_input(writer, config.output, description, card=model.card, reader=reader)
    super_resolve(
        model,
        reader,
        writer,
        plan=plan,
        alpha=alpha,
        noise=noise,
        scene=scene,
        batch_size=config.batch_size,
        device=device,
        progress=True,
    )


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
