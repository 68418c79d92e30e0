"""``python -m srlab.train``: one composed run."""

from __future__ import annotations

import logging
import sys
from contextlib import nullcontext
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from srlab.cli.arguments import require_sweeper
from srlab.cli.command import prepare, run
from srlab.cli.consistency import check
from srlab.cli.errors import one_line_errors
from srlab.cli.launch import launched
from srlab.cli.resume import begin
from srlab.mistakes import Diverged

log = logging.getLogger(__name__)


def train(config: DictConfig) -> float | None:
    """Build what the configuration names, train it, and return the best monitored value.

    In a sweep, a run that diverges or never has a finite value returns a finite one, worse than
    any.
    """
    from srlab.cli import assembly
    from srlab.cli.building import built
    from srlab.cli.following import follow_files
    from srlab.training.fitting import best_value, compared_value, fit
    from srlab.training.module import GAN
    from srlab.training.processes.folder import held
    from srlab.training.processes.isolation import isolated, quieten

    folder = Path(HydraConfig.get().runtime.output_dir)
    config, state = begin(config, folder)
    follow_files(config)
    check(config)
    with isolated():
        quieten()
        trainer = assembly.trainer(config)
        assembly.seed(config)
        data = built(config.data)
        generator = assembly.generator(config, data, state)
        adversary = assembly.adversary(config)
        normaliser = assembly.normaliser(config, data, state, folder)
        losses = assembly.losses(config, data, generator, normaliser)
        module = GAN(
            losses=losses,
            training=assembly.training(config, "generator", generator),
            adversary=adversary,
            schedule=built(config.schedule),
            ema=assembly.average(config, generator),
            guard=built(config.guard),
            validation=assembly.validation(config, data, losses.degradation),
            card=assembly.card(config, data, normaliser, losses.degradation, state),
            seed=config.seed,
        )
        loader = assembly.loader(config, data)
        with held(folder) if trainer.is_global_zero else nullcontext():
            if not state and trainer.is_global_zero:
                assembly.save(config, folder)
            try:
                fit(trainer, module, loader, folder=folder, checkpoint=config.resume)
            except Diverged as error:
                if not assembly.sweeping():
                    raise
                log.warning("%s", error)
                return compared_value(trainer, None)
        best = best_value(trainer)
        return compared_value(trainer, best) if assembly.sweeping() else best


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
