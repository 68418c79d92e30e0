"""``python -m srlab.train``: one composed run."""

from __future__ import annotations

import logging
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from srlab import cli
from srlab.launch import launched
from srlab.resume import CONFIG, LAST, stored_config
from srlab.training.folder import held
from srlab.training.status import STATUS, Outcome, Status

if TYPE_CHECKING:
    from lightning import Callback, Trainer

    from srlab.bundle import ModelCard
    from srlab.data.source import Source
    from srlab.training.adversary import Adversary
    from srlab.training.callbacks import Checkpoints
    from srlab.training.module import GAN
    from srlab.training.optimisation import Training

log = logging.getLogger(__name__)

FINITE = 1e9
"""The bound of what a sweep compares; a run that diverged has this value, or its negative."""


def train(config: DictConfig) -> float | None:
    """Build what the configuration names, train it, and return the best value of the monitored metric.

    In a sweep a run that diverges, or that never has a finite value, returns a finite one that is worse than any.
    """
    from lightning import seed_everything

    from srlab.bundle import load_checkpoint
    from srlab.training.process import isolated, quieten

    folder = Path(HydraConfig.get().runtime.output_dir)
    checkpoint = config.resume
    state = load_checkpoint(checkpoint) if checkpoint else None
    if state:
        config = stored_config(folder, config)
        _cut_curves(config, after=state["global_step"])
        log.info("resuming %s after %d steps", folder, state["global_step"])
    elif (folder / LAST).exists():
        raise FileExistsError(f"{folder} already holds a run; choose another folder.")
    _check(config)
    with isolated():
        quieten()
        trainer = _trainer(config)
        seed_everything(config.seed, verbose=False)
        data = _built(config.data)
        module = _module(config, data, state)
        with held(folder) if trainer.is_global_zero else nullcontext():
            if not state and trainer.is_global_zero:
                OmegaConf.save(config, folder / CONFIG)
            return _fitted(trainer, module, _built(config.loader)(data), folder=folder, checkpoint=checkpoint)


def _check(config: DictConfig) -> None:
    """Refuse numbers that would be errors, or quite another run, only much later."""
    for key in ("max_steps", "val_check_interval"):
        value = config.trainer[key]
        if value is not None and not (isinstance(value, (int, float)) and value >= 1):
            raise ValueError(f"trainer.{key} is {value}; give a number of generator updates >= 1.")
    if not (isinstance(config.seed, int) and 0 <= config.seed < 2**32):
        raise ValueError(f"seed is {config.seed}; give a whole number from 0 to {2**32 - 1}.")


def _trainer(config: DictConfig) -> Trainer:
    """The Lightning trainer with its callbacks and loggers."""
    import torch
    from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher

    loggers = [*_built(config.logger).values()]
    trainer: Trainer = _built(config.trainer, callbacks=[*_built(config.callbacks).values()], logger=loggers)
    # A debugging aid of deterministic mode, which costs a quarter of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    launcher = trainer.strategy.launcher
    if (
        _sweeping()
        and trainer.world_size > 1
        and isinstance(launcher, _SubprocessScriptLauncher)
        and not launcher.cluster_environment.creates_processes_externally
    ):
        raise ValueError(
            f"a sweep cannot run on {trainer.world_size} devices in this way, since each further process would run "
            "the sweep again: start it by torchrun or in SLURM, or give trainer.devices=1."
        )
    return trainer


def _module(config: DictConfig, data: Source, state: dict[str, Any] | None) -> GAN:
    """The networks and all that trains them; with the `state` of a checkpoint, as they were for it."""
    from srlab.bundle import ModelCard
    from srlab.losses import WeightedLoss
    from srlab.training.acceleration import accelerate
    from srlab.training.guard import Guard
    from srlab.training.module import GAN
    from srlab.training.update import Losses
    from srlab.training.validation import Validation

    generator = _generator(config, data, resumes=state is not None)
    adversary = _adversary(config)
    average, degradation, normaliser = _built(config.ema), _built(config.degradation), _built(config.normaliser)
    accelerate(generator, channels_last=config.channels_last, compiled=config.compile)
    if adversary:  # never compiled: a gradient penalty differentiates it twice
        accelerate(adversary.discriminator, channels_last=config.channels_last, compiled=False)
    return GAN(
        losses=Losses(
            generator=generator,
            normaliser=normaliser,
            content=WeightedLoss(_built(config.loss)),
            degradation=degradation,
            data_range=data.data_range,
        ),
        training=_training(config, "generator", generator),
        adversary=adversary,
        schedule=_built(config.schedule),
        ema=average and average(generator),
        guard=Guard(on_nonfinite=config.on_nonfinite, max_skips=config.max_skips),
        validation=Validation(
            metrics=_built(config.metric),
            degradation=degradation,
            data_range=data.data_range,
            crop=data.training[0]["hr"].shape[1:],
        ),
        card=ModelCard.from_json(state["srlab"]) if state else _card(config, data),
        seed=config.seed,
    )


def _generator(config: DictConfig, data: Source, *, resumes: bool) -> Any:  # noqa: ANN401 (a Generator)
    """The generator with the weights it is to start from."""
    from srlab.weights import load_weights

    generator = _built(config.generator)
    if config.weights and not resumes:
        load_weights(generator, config.weights, match=config.weights_match, channels=data.channels)
    elif not resumes and config.weights_match != "exact":
        raise ValueError(f"weights_match={config.weights_match} needs weights=PATH.")
    return generator


def _adversary(config: DictConfig) -> Adversary | None:
    """The discriminator and the game against it."""
    from srlab.training.adversary import Adversary

    discriminator = _built(config.discriminator)
    return discriminator and Adversary(
        discriminator=discriminator,
        training=_training(config, "discriminator", discriminator),
        penalty=_built(config.penalty),
        **_built(config.adversarial),
    )


def _training(config: DictConfig, name: str, network: Any) -> Training:  # noqa: ANN401 (a Module)
    """What updates a network; built once for nothing, since Lightning would meet a mistake in it only much later."""
    from srlab.training.optimisation import Training, parameter_groups

    training = Training(
        optimiser=_built(config.optimiser[name]),
        scheduler=_built(config.scheduler[name]),
        clip=_built(config.clipping[name]),
    )
    groups = parameter_groups(network)
    with cli.naming(f"optimiser.{name}"):
        optimiser = training.optimiser(groups)
    with cli.naming(f"scheduler.{name}"):
        training.scheduler(optimiser)
    return training


def _fitted(trainer: Trainer, module: GAN, data: Any, *, folder: Path, checkpoint: str | None) -> float | None:  # noqa: ANN401 (a DataModule)
    """Train, write down how it ended, and return what a sweep compares."""
    from srlab.training.ranks import is_child

    if trainer.is_global_zero:
        (folder / STATUS).unlink(missing_ok=True)
        log.info("training %s in %s", _described(module), folder)
    try:
        trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    except SystemExit as stop:
        if stop.code != 1:  # Lightning's answer to Ctrl-C is 1
            raise
        _tell_how_to_go_on(folder)
        raise KeyboardInterrupt from None
    except FloatingPointError as error:
        _ended(trainer, folder, diverged=True)
        if is_child(trainer):
            raise SystemExit(0) from error  # the first process writes down how it ended, and says why
        if not _sweeping():
            raise
        log.warning("%s", error)
        return _score(trainer, diverged=True)
    _ended(trainer, folder, diverged=False)
    return _score(trainer, diverged=False)


def _ended(trainer: Trainer, folder: Path, *, diverged: bool) -> None:
    """Write down how a run ended, unless it was merely cut short, as by `trainer.max_time`."""
    from lightning.pytorch.callbacks import EarlyStopping

    if not trainer.is_global_zero:
        return
    outcome: Outcome = "diverged" if diverged else "completed"
    if not diverged and trainer.global_step < trainer.max_steps:
        if not any(isinstance(each, EarlyStopping) and each.stopping_reason.value for each in _callbacks(trainer)):
            _tell_how_to_go_on(folder)
            return
        outcome = "stopped early"
    kept = _checkpoints(trainer)
    best, monitor = (kept.best, kept.monitor) if kept else (None, None)
    status = Status(status=outcome, step=trainer.global_step, best=best, monitor=monitor)
    status.write(folder)
    log.info("%s in %s" if diverged else "done: %s; model.safetensors is in %s", status, folder)


def _tell_how_to_go_on(folder: Path) -> None:
    if (folder / LAST).is_file():
        log.info("stopped; go on from the last checkpoint with resume=last hydra.run.dir=%s", folder)


def _checkpoints(trainer: Trainer) -> Checkpoints | None:
    from srlab.training.callbacks import Checkpoints

    return next((callback for callback in _callbacks(trainer) if isinstance(callback, Checkpoints)), None)


def _callbacks(trainer: Trainer) -> list[Callback]:
    return trainer.callbacks  # type: ignore[attr-defined, no-any-return]


def _score(trainer: Trainer, *, diverged: bool) -> float | None:
    """The best value; in a sweep always finite, since a NaN would count as a failed trial there."""
    kept = _checkpoints(trainer)
    if kept is None or not _sweeping():
        return kept.best if kept else None
    if diverged or kept.best is None:
        worst = -FINITE if kept.mode == "max" else FINITE
        log.warning("this run counts as %g in the sweep, the worst %s there is", worst, kept.monitor)
        return worst
    return max(-FINITE, min(kept.best, FINITE))


def _sweeping() -> bool:
    return HydraConfig.get().mode == RunMode.MULTIRUN


def _built(node: Any, **more: Any) -> Any:  # noqa: ANN401 (whatever the YAML names)
    """Instantiate a node; lists and dictionaries become Python's own."""
    return instantiate(node, _convert_="all", **more) if node is not None else None


def _card(config: DictConfig, data: Source) -> ModelCard:
    """What the bundle will say of the model."""
    import torch

    import srlab
    from srlab.bundle import ModelCard
    from srlab.data.statistics import value_range
    from srlab.nn.dims import per_axis

    return ModelCard(
        generator=OmegaConf.to_container(config.generator, resolve=True),  # type: ignore[arg-type]
        normaliser=OmegaConf.to_container(config.normaliser, resolve=True),  # type: ignore[arg-type]
        scale=per_axis(config.scale, config.spatial_dims),
        bands=data.bands,
        channels=data.channels,
        unit=data.unit,
        training_range=value_range(data.training),
        pixel_size=data.pixel_size,
        versions={"srlab": srlab.__version__, "torch": str(torch.__version__)},
    )


def _cut_curves(config: DictConfig, *, after: int) -> None:
    """Have each logger that can drop what an interrupted run logged beyond its checkpoint."""
    for node in config.logger.values():
        if "purge_step" in node:
            node.purge_step = after + 1


def _described(module: GAN) -> str:
    def millions(network: Any) -> str:  # noqa: ANN401
        return f"{type(network).__name__} ({sum(p.numel() for p in network.parameters()) / 1e6:.2f} M parameters)"

    scale = "×".join(str(factor) for factor in module.card.scale)
    against = f" against {millions(module.discriminator)}" if module.discriminator else ""
    return f"{millions(module.generator)} at scale {scale}{against}"


def main() -> None:
    """Run the command."""
    cli.prepare()
    with cli.one_line_errors():
        cli.require_sweeper(sys.argv[1:])
        arguments = launched(sys.argv[1:])
    cli.run(train, config_name="train", arguments=arguments)


if __name__ == "__main__":
    main()
