"""Checks of values in a training configuration that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from srlab.cli.settings import check_axes, check_bands, check_guides, check_seed
from srlab.cli.trainer_keys import check_callbacks, check_trainer
from srlab.mistakes import Mistake
from srlab.training.status import ACCURACIES

NEEDED = ("schedule", "guard", "loader")
"""Nodes outside of groups that must not be null."""


def check(config: DictConfig) -> None:
    """Raise a `Mistake` for values that would fail only later, or silently change the run."""
    check_seed(config.seed)
    check_axes(config, "scale", "crop_size")
    check_bands(config)
    check_guides(config)
    for name in NEEDED:
        if config[name] is None:
            raise Mistake(f"{name} is null, and every run needs one; leave {name}=null out.")
    check_trainer(config.trainer)
    check_callbacks(config.callbacks)
    if str(config.trainer.precision).endswith("16-true"):
        raise Mistake(
            f"trainer.precision={config.trainer.precision} would keep the weights in 16 bits, "
            "which lose small updates; choose bf16-mixed, 16-mixed or 32-true."
        )
    for name, node in config.scheduler.items():
        _check_scheduler(str(name), node, config.trainer.max_steps)
    if config.weights is None and config.weights_match != "exact":
        raise Mistake(f"weights_match={config.weights_match} needs weights=PATH.")
    _check_monitors(config)
    _check_game(config)


def _check_game(config: DictConfig) -> None:
    """Raise a `Mistake` for settings of a discriminator if there is none."""
    hydra = HydraConfig.get()
    chosen = hydra.runtime.choices
    if chosen["discriminator"] != "none":
        return
    if chosen["penalty"] != "none":
        raise Mistake(
            f"penalty={chosen['penalty']} bounds the gradient of a discriminator, and "
            "discriminator=none has none: choose a discriminator, or penalty=none."
        )
    if hydra.mode == RunMode.MULTIRUN:
        return  # a sweep may compare none with discriminators, whose settings it then holds
    for line in hydra.overrides.task:
        key = line.lstrip("+~").partition("=")[0]
        if key.partition(".")[0] == "adversarial" or ".discriminator" in key:
            raise Mistake(
                f"{line} is a setting of a discriminator, and discriminator=none has none: leave "
                "it out, or choose a discriminator."
            )


def _check_scheduler(name: str, node: DictConfig | None, max_steps: int) -> None:
    if node is None:
        raise Mistake(f"scheduler.{name} is null; choose scheduler@scheduler.{name}=constant.")
    total = node.get("total_steps")
    if total is not None and total < max_steps:
        raise Mistake(
            f"scheduler.{name}.total_steps is {total}; it must be no less than trainer.max_steps, "
            f"{max_steps}."
        )


def _check_monitors(config: DictConfig) -> None:
    """Raise a `Mistake` for a monitored value that validation does not report.

    Names without ``val/`` pass, since callbacks may log them.
    """
    metrics = [f"val/{name!s}" for name, node in config.metric.items() if node is not None]
    for key, monitor in monitors(config):
        known = monitor.startswith((*metrics, *ACCURACIES)) or not monitor.startswith("val/")
        if not known or f"val/{monitor}" in metrics:
            offered = ", ".join(metrics) or "nothing"
            raise Mistake(
                f"{key}.monitor is {monitor!r}, which is not logged: metric= chooses {offered}."
            )


def monitors(config: DictConfig) -> Iterator[tuple[str, str]]:
    """Yield the key of each callback or scheduler that monitors a value, and the value's name."""
    for group in ("callbacks", "scheduler"):
        pending = [(f"{group}.{name!s}", node) for name, node in config[group].items()]
        while pending:
            key, node = pending.pop()
            if isinstance(node, DictConfig):
                if "monitor" in node:
                    yield key, str(node.monitor)
                pending += [(f"{key}.{name!s}", part) for name, part in node.items()]
