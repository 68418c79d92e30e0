"""``python -m srlab.train``: one composed run."""

from __future__ import annotations

import logging
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from srlab.cli import assembly
from srlab.cli import command as cli
from srlab.cli.errors import naming, one_line_errors
from srlab.cli.launch import launched
from srlab.cli.resume import CONFIG, LAST, stored_config
from srlab.mistakes import ExistingFile
from srlab.training.processes.folder import held
from srlab.training.status import STATUS, Outcome, Status

if TYPE_CHECKING:
    from lightning import Callback, Trainer

    from srlab.training.callbacks import Checkpoints
    from srlab.training.module import GAN

log = logging.getLogger(__name__)

FINITE = 1e9
"""The bound of what a sweep compares; a run that diverged has this value, or its negative."""


def train(config: DictConfig) -> float | None:
    """Build what the configuration names, train it, and return the best value of the monitored metric.

    In a sweep a run that diverges, or that never has a finite value, returns a finite one that is worse than any.
    """
    from lightning import seed_everything

    from srlab.models.bundle import load_checkpoint
    from srlab.training.processes.isolation import isolated, quieten

    folder = Path(HydraConfig.get().runtime.output_dir)
    checkpoint = config.resume
    state = load_checkpoint(checkpoint) if checkpoint else None
    if state:
        config = stored_config(folder, config)
        _cut_curves(config, after=state["global_step"])
    elif (folder / LAST).exists():
        raise ExistingFile(f"{folder} already holds a run; choose another folder.")
    assembly.check(config)
    with isolated():
        quieten()
        trainer = assembly.trainer(config)
        if state and trainer.is_global_zero:
            log.info("resuming %s after %d steps", folder, state["global_step"])
        seed_everything(config.seed, verbose=False)
        data = assembly.built(config.data)
        module = assembly.module(config, data, state)
        with naming("loader"):
            loader = assembly.built(config.loader)(data)
        with held(folder) if trainer.is_global_zero else nullcontext():
            if not state and trainer.is_global_zero:
                OmegaConf.save(config, folder / CONFIG)
            return _fitted(trainer, module, loader, folder=folder, checkpoint=checkpoint)


def _fitted(
    trainer: Trainer, module: GAN, data: Any, *, folder: Path, checkpoint: str | None
) -> float | None:
    """Train, write down how it ended, and return what a sweep compares."""
    from srlab.training.processes.ranks import is_child

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
            raise SystemExit(
                0
            ) from error  # the first process writes down how it ended, and says why
        if not assembly.sweeping():
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
        if not any(
            isinstance(each, EarlyStopping) and each.stopping_reason.value
            for each in _callbacks(trainer)
        ):
            _tell_how_to_go_on(folder)
            return
        outcome = "stopped early"
    kept = _checkpoints(trainer)
    status = Status(status=outcome, step=trainer.global_step, best=kept.best, monitor=kept.monitor)
    status.write(folder)
    log.info("%s in %s" if diverged else "done: %s; model.safetensors is in %s", status, folder)


def _tell_how_to_go_on(folder: Path) -> None:
    if (folder / LAST).is_file():
        log.info(
            "stopped; go on from the last checkpoint with resume=last hydra.run.dir=%s", folder
        )


def _checkpoints(trainer: Trainer) -> Checkpoints:
    from srlab.training.callbacks import Checkpoints

    return next(callback for callback in _callbacks(trainer) if isinstance(callback, Checkpoints))


def _callbacks(trainer: Trainer) -> list[Callback]:
    return trainer.callbacks  # type: ignore[attr-defined, no-any-return]


def _score(trainer: Trainer, *, diverged: bool) -> float | None:
    """The best value; in a sweep always finite, since a NaN would count as a failed trial there."""
    kept = _checkpoints(trainer)
    if not assembly.sweeping():
        return kept.best
    if diverged or kept.best is None:
        worst = -FINITE if kept.mode == "max" else FINITE
        log.warning(
            "this run counts as %g in the sweep, the worst %s there is", worst, kept.monitor
        )
        return worst
    return max(-FINITE, min(kept.best, FINITE))


def _cut_curves(config: DictConfig, *, after: int) -> None:
    """Have each logger that can drop what an interrupted run logged beyond its checkpoint."""
    for node in config.logger.values():
        if node is not None and "purge_step" in node:
            node.purge_step = after + 1


def _described(module: GAN) -> str:
    def millions(network: Any) -> str:
        return f"{type(network).__name__} ({sum(p.numel() for p in network.parameters()) / 1e6:.2f} M parameters)"

    scale = "×".join(str(factor) for factor in module.card.scale)
    against = f" against {millions(module.discriminator)}" if module.discriminator else ""
    return f"{millions(module.generator)} at scale {scale}{against}"


def main() -> None:
    """Run the command."""
    cli.prepare()
    with one_line_errors():
        cli.require_sweeper(sys.argv[1:])
        arguments = launched(sys.argv[1:])
    cli.run(train, config_name="train", arguments=arguments)


if __name__ == "__main__":
    main()
