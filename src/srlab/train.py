"""``python -m srlab.train``: train a model as the configuration says."""

from __future__ import annotations

import logging
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from srlab.cli.arguments import require_sweeper
from srlab.cli.command import prepare, run
from srlab.cli.consistency import check
from srlab.cli.errors import one_line_errors
from srlab.cli.launch import launched
from srlab.cli.leftovers import removed_if_refused
from srlab.cli.resume import begin
from srlab.mistakes import Diverged

log = logging.getLogger(__name__)


def train(config: DictConfig) -> float | None:
    """Build the objects of a configuration, train, and return the best monitored value.

    In a sweep, a run that diverges or has no finite value returns a finite value that is worse than
    any other.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    with removed_if_refused(folder):
        config, state = begin(config, folder)
        check(config)  # before the seconds that Lightning takes to import
        return _trained(config, state, folder)


def _trained(config: DictConfig, state: dict[str, Any] | None, folder: Path) -> float | None:
    from srlab.cli import assembly, describing
    from srlab.cli.building import built, named
    from srlab.cli.following import check_masks, check_split, follow_files
    from srlab.training.processes.folder import held
    from srlab.training.processes.isolation import isolated, quieten

    with isolated():
        assembly.seed(config)
        # Objects without images and without Lightning come first, so that mistakes show at once.
        generator, adversary = assembly.generator(config), assembly.adversary(config)
        schedule, guard = built(config.schedule), built(config.guard)
        check_split(config)
        check_masks(config)
        follow_files(config)
        data = built(config.data)
        if state:
            assembly.check_files(data, folder)
        assembly.fill(generator, config, data, state)
        training = assembly.training(config, "generator", generator)
        normaliser, content = built(config.normaliser), assembly.content(config)
        metrics = named(config.metric)
        assembly.try_crop(config, adversary, data)

        from srlab.cli import running
        from srlab.training.fitting import best_value, compared_value, fit
        from srlab.training.module import GAN

        quieten()
        trainer = running.trainer(config)
        assembly.measure(normaliser, data, state, folder)
        losses = assembly.losses(config, data, generator, normaliser, content)
        module = GAN(
            losses=losses,
            training=training,
            adversary=adversary,
            schedule=schedule,
            ema=assembly.average(config, generator),
            guard=guard,
            validation=assembly.validation(metrics, data, losses.degradation),
            card=describing.card(config, data, normaliser, losses.degradation, state),
            seed=config.seed,
        )
        loader = running.loader(config, data)
        with held(folder) if trainer.is_global_zero else nullcontext():
            if not state and trainer.is_global_zero:
                assembly.save(config, data, folder)
            try:
                fit(trainer, module, loader, folder=folder, checkpoint=config.resume)
            except Diverged as error:
                if not running.sweeping():
                    raise
                log.warning("%s", error)
                return compared_value(trainer, None)
        best = best_value(trainer)
        return compared_value(trainer, best) if running.sweeping() else best


def main() -> None:
    """Run the command."""
    prepare()
    with one_line_errors():
        require_sweeper(sys.argv[1:])
        arguments = launched(sys.argv[1:])
    run(
        train,
        config_name="train",
        settings="srlab.cli.settings.TrainSettings",
        arguments=arguments,
    )


if __name__ == "__main__":
    main()
