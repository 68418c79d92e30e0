"""What a training configuration names, built and put together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, get_args

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from srlab.cli.errors import naming
from srlab.mistakes import Mistake

if TYPE_CHECKING:
    from lightning import Trainer

    from srlab.data.source import Source
    from srlab.models.bundle import ModelCard
    from srlab.training.adversary import Adversary
    from srlab.training.module import GAN
    from srlab.training.optimisers.optimisation import Training

OF_VALIDATION = ("val/accuracy_real", "val/accuracy_fake")
"""What is logged besides the metrics."""


def check(config: DictConfig) -> None:
    """Refuse values that would be errors, or quite another run, only much later."""
    from srlab.models.pretrained.weights import Match

    for key in ("max_steps", "val_check_interval", "log_every_n_steps"):
        value = config.trainer[key]
        if key == "val_check_interval" and value is None:
            continue
        if not _is_count(value):
            raise Mistake(
                f"trainer.{key} is {value}; give a whole number of generator updates >= 1."
            )
        config.trainer[key] = int(value)  # 1e5 is a fraction of an epoch for Lightning
    if not (isinstance(config.seed, int) and 0 <= config.seed < 2**32):
        raise Mistake(f"seed is {config.seed}; give a whole number from 0 to {2**32 - 1}.")
    if config.weights_match not in get_args(Match):
        raise Mistake(
            f"weights_match is {config.weights_match!r}; it must be one of {', '.join(get_args(Match))}."
        )
    if str(config.trainer.precision).endswith("16-true"):
        raise Mistake(
            f"trainer.precision={config.trainer.precision} would keep the weights in 16 bits, which lose small "
            "updates; choose bf16-mixed, 16-mixed or 32-true."
        )
    for name, node in config.scheduler.items():
        if node is None:
            raise Mistake(
                f"scheduler.{name!s} is null; choose scheduler@scheduler.{name!s}=constant."
            )
        if node.get("total_steps") is not None and node.total_steps < config.trainer.max_steps:
            raise Mistake(
                f"scheduler.{name!s}.total_steps is {node.total_steps}; it must be no less than trainer.max_steps, "
                f"{config.trainer.max_steps}."
            )
    metrics = [f"val/{name!s}" for name, node in config.metric.items() if node is not None]
    for key, node in _monitoring(
        config
    ):  # what a metric tells apart is known later, as is what callbacks log
        name = str(node.monitor)
        known = name.startswith((*metrics, *OF_VALIDATION)) or not name.startswith("val/")
        if not known or f"val/{name}" in metrics:
            raise Mistake(
                f"{key}.monitor is {name!r}, which is not logged: metric= chooses {', '.join(metrics) or 'nothing'}."
            )


def _is_count(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and value >= 1
        and value == int(value)
    )


def _monitoring(config: DictConfig) -> Iterator[tuple[str, DictConfig]]:
    """What waits for a value by its name, and the keys under which it stands."""
    for group in ("callbacks", "scheduler"):
        pending = [(f"{group}.{name!s}", node) for name, node in config[group].items()]
        while pending:
            key, node = pending.pop()
            if isinstance(node, DictConfig):
                if "monitor" in node:
                    yield key, node
                pending += [(f"{key}.{name!s}", part) for name, part in node.items()]


def trainer(config: DictConfig) -> Trainer:
    """The Lightning trainer with its callbacks and loggers."""
    import torch
    from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher

    from srlab.training.callbacks import Checkpoints

    loggers, callbacks = ([*_named(nodes).values()] for nodes in (config.logger, config.callbacks))
    if not any(isinstance(callback, Checkpoints) for callback in callbacks):
        raise Mistake(
            "callbacks has no checkpoints, so that the run would keep nothing; list default, too, as "
            "callbacks=[default,early_stopping]."
        )
    trainer: Trainer = built(config.trainer, callbacks=callbacks, logger=loggers)
    # A debugging aid of deterministic mode, which costs a quarter of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if config.trainer.sync_batchnorm and trainer.strategy.root_device.type == "cpu":
        raise Mistake("trainer.sync_batchnorm=true works on GPUs alone; leave it out on a CPU.")
    launcher = trainer.strategy.launcher
    if (
        sweeping()
        and trainer.world_size > 1
        and isinstance(launcher, _SubprocessScriptLauncher)
        and not launcher.cluster_environment.creates_processes_externally
    ):
        raise Mistake(
            f"a sweep cannot run on {trainer.world_size} devices in this way, since each further process would run "
            "the sweep again: start it by torchrun or in SLURM, or give trainer.devices=1."
        )
    return trainer


def module(config: DictConfig, data: Source, state: dict[str, Any] | None) -> GAN:
    """The networks and all that trains them; with the `state` of a checkpoint, as they were for it."""
    from srlab.losses import WeightedLoss
    from srlab.models.bundle import ModelCard
    from srlab.nn.acceleration import accelerate
    from srlab.training.guard import Guard
    from srlab.training.losses import Losses
    from srlab.training.module import GAN
    from srlab.training.validation import Validation

    generator = _generator(config, data, state)
    adversary = _adversary(config)
    average, degradation, normaliser = (
        built(config.ema),
        built(config.degradation),
        built(config.normaliser),
    )
    accelerate(generator, channels_last=config.channels_last, compiled=config.compile)
    if adversary:  # never compiled: a gradient penalty differentiates it twice
        accelerate(adversary.discriminator, channels_last=config.channels_last, compiled=False)
    with naming("ema"):
        ema = average and average(generator)
    return GAN(
        losses=Losses(
            generator=generator,
            normaliser=normaliser,
            content=WeightedLoss(_named(config.loss)),
            degradation=degradation,
            data_range=data.data_range,
        ),
        training=_training(config, "generator", generator),
        adversary=adversary,
        schedule=built(config.schedule),
        ema=ema,
        guard=Guard(on_nonfinite=config.on_nonfinite, max_skips=config.max_skips),
        validation=Validation(
            metrics=_named(config.metric),
            degradation=degradation,
            data_range=data.data_range,
            crop=data.training[0]["hr"].shape[1:],
        ),
        card=ModelCard.from_json(state["srlab"]) if state else _card(config, data),
        seed=config.seed,
    )


def _generator(config: DictConfig, data: Source, state: dict[str, Any] | None) -> Any:
    """The generator with the weights it is to start from, or those of a checkpoint's `state`."""
    from srlab.models.pretrained.weights import load_weights

    generator = built(config.generator)
    if state:  # spandrel builds its network from them
        tensors = {
            name: tensor
            for name, tensor in state["state_dict"].items()
            if name.startswith("generator.")
        }
        try:
            generator.load_state_dict(
                {name.removeprefix("generator."): tensor for name, tensor in tensors.items()}
            )
        except RuntimeError as error:
            raise Mistake(
                "the checkpoint holds another network than the run's config.yaml describes: put that back as it was."
            ) from error
    elif config.weights:
        load_weights(generator, config.weights, match=config.weights_match, channels=data.channels)
    elif config.weights_match != "exact":
        raise Mistake(f"weights_match={config.weights_match} needs weights=PATH.")
    return generator


def _adversary(config: DictConfig) -> Adversary | None:
    """The discriminator and the game against it."""
    from srlab.training.adversary import Adversary

    discriminator = built(config.discriminator)
    return discriminator and Adversary(
        discriminator=discriminator,
        training=_training(config, "discriminator", discriminator),
        penalty=built(config.penalty),
        **built(config.adversarial),
    )


def _training(config: DictConfig, name: str, network: Any) -> Training:
    """What updates a network; built once for nothing, since Lightning would meet a mistake in it only much later."""
    from srlab.training.optimisers.optimisation import Training, parameter_groups

    training = Training(
        optimiser=built(config.optimiser[name]),
        scheduler=built(config.scheduler[name]),
        clip=built(config.clipping[name]),
    )
    groups = parameter_groups(network)
    with naming(f"optimiser.{name}"):
        optimiser = training.optimiser(groups)
    with naming(f"scheduler.{name}"):
        training.scheduler(optimiser)
    return training


def _card(config: DictConfig, data: Source) -> ModelCard:
    """What the bundle will say of the model."""
    import torch

    import srlab
    from srlab.axes import per_axis
    from srlab.data.statistics import value_range
    from srlab.models.bundle import ModelCard

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


def built(node: Any, **more: Any) -> Any:
    """Instantiate a node; lists and dictionaries become Python's own."""
    return instantiate(node, _convert_="all", **more) if node is not None else None


def _named(nodes: DictConfig) -> dict[str, Any]:
    """Instantiate what a list of choices brought, each under its name; null leaves one out."""
    return {name: each for name, each in built(nodes).items() if each is not None}


def sweeping() -> bool:
    """Whether this run is one of a sweep."""
    return HydraConfig.get().mode == RunMode.MULTIRUN
