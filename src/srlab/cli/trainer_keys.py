"""Lightning's arguments and callbacks that a run cannot use, and what to use instead.

Training data are endless, so there are no epochs, and srlab has its own loop over two optimisers.
Some of Lightning's settings would therefore repeat samples, end a run for good, or do nothing.
"""

from __future__ import annotations

from omegaconf import DictConfig

from srlab.mistakes import Mistake

NO_EPOCHS = "there are no epochs; a run has trainer.max_steps generator updates"
TIMED = (
    "it counts the time of all resumptions together, so that a run could not go on; end it by "
    "`timeout 1h python -m srlab.train …`, which saves, and go on by resume=last"
)

REFUSED = {
    "fast_dev_run": "to try a run, give trainer.max_steps=1 trainer.val_check_interval=1",
    "max_epochs": NO_EPOCHS,
    "min_epochs": NO_EPOCHS,
    "min_steps": "callbacks.early_stopping.patience says how long early stopping waits",
    "max_time": TIMED,
    "limit_train_batches": NO_EPOCHS,
    "limit_test_batches": "srlab.evaluate scores all images of data.root",
    "limit_predict_batches": "srlab.predict computes all of input",
    "overfit_batches": "to learn a few images by heart, name them by data.root",
    "check_val_every_n_epoch": "validation comes every trainer.val_check_interval updates",
    "reload_dataloaders_every_n_epochs": NO_EPOCHS,
    "accumulate_grad_batches": "loader.accumulate gives the micro-batches of an update",
    "gradient_clip_val": (
        "choose clipping@clipping.generator=norm, and set its limit by clipping.generator.max_norm="
    ),
    "gradient_clip_algorithm": "choose clipping@clipping.generator=norm, value or adaptive",
    "enable_checkpointing": "callbacks.checkpoints keeps the checkpoints",
    "enable_progress_bar": "callbacks.progress=null leaves the bar out",
    "use_distributed_sampler": "each process draws its own samples",
    "default_root_dir": "hydra.run.dir= names the folder of a run",
    "barebones": "a run needs its callbacks and loggers",
    "callbacks": "list them as callbacks=[default,early_stopping]",
    "logger": "list them as logger=[csv,tensorboard]",
}
"""Refused arguments of the trainer, each with what to do instead."""

NEUTRAL = {"max_epochs": -1, "accumulate_grad_batches": 1}
"""Values besides null and false with which a refused argument is allowed: it has no effect."""

CALLBACKS = {
    "BatchSizeFinder": "set loader.batch_size",
    "EMAWeightAveraging": "ema.decay sets the averaging of the weights",
    "GradientAccumulationScheduler": REFUSED["accumulate_grad_batches"],
    "LearningRateFinder": "search for optimiser.generator.lr by sweep=optuna",
    "LearningRateMonitor": "the rates are logged already, as lr/generator and lr/discriminator",
    "ModelCheckpoint": REFUSED["enable_checkpointing"],
    "StochasticWeightAveraging": "ema.decay sets the averaging of the weights",
    "Timer": TIMED,
    "WeightAveraging": "ema.decay sets the averaging of the weights",
}
"""Refused callbacks of Lightning, each with what to do instead."""


def check_trainer(trainer: DictConfig) -> None:
    """Raise a `Mistake` for an argument of Lightning's trainer that a run cannot use."""
    for key, advice in REFUSED.items():
        value = trainer.get(key)
        if value is None or value is False or value == NEUTRAL.get(key):
            continue
        raise Mistake(f"trainer.{key} is {value} and cannot be set: {advice}.")
    for key in ("max_steps", "val_check_interval", "log_every_n_steps"):
        value = trainer.get(key)
        if key == "val_check_interval" and value is None:
            continue
        if not _is_number_of_updates(value):
            raise Mistake(
                f"trainer.{key} is {value}; give a whole number of generator updates >= 1."
            )
        trainer[key] = int(value)  # for Lightning, a float is a fraction of an epoch


def check_callbacks(callbacks: DictConfig) -> None:
    """Raise a `Mistake` for a callback of Lightning's that a run cannot use."""
    for name, node in callbacks.items():
        target = "" if node is None else str(node.get("_target_"))
        package, kind = target.partition(".")[0], target.rpartition(".")[2]
        if package in ("lightning", "pytorch_lightning") and kind in CALLBACKS:
            raise Mistake(
                f"callbacks.{name!s} is a {kind}, which cannot work here: {CALLBACKS[kind]}."
            )


def _is_number_of_updates(value: object) -> bool:
    """Whether a value is a whole number >= 1; 1.0 is not, since Lightning reads it as an epoch."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return value >= 1 and value == int(value) and not (value == 1 and isinstance(value, float))
