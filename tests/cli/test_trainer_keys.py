"""Arguments and callbacks of Lightning that would spoil a run are refused by name."""

import inspect

import pytest
from lightning import Trainer

from srlab.cli.command import prepare
from srlab.cli.configuration import composed
from srlab.cli.trainer_keys import CALLBACKS, REFUSED, check_callbacks, check_trainer
from srlab.mistakes import Mistake

INSTEAD = {
    "+trainer.limit_train_batches=0.5": "trainer.max_steps",
    "+trainer.overfit_batches=1": "data.root",
    "+trainer.fast_dev_run=true": "trainer.max_steps=1",
    "trainer.max_epochs=3": "trainer.max_steps",
    "+trainer.min_steps=3": "callbacks.early_stopping.patience",
    "+trainer.max_time=00:00:01:00": "resume=last",
    "+trainer.accumulate_grad_batches=4": "loader.accumulate",
    "+trainer.gradient_clip_val=0.5": "clipping.generator.max_norm=",
    "+trainer.gradient_clip_algorithm=value": "clipping@clipping.generator=",
    "trainer.check_val_every_n_epoch=1": "trainer.val_check_interval",
    "trainer.use_distributed_sampler=true": "draws its own samples",
    "trainer.enable_checkpointing=true": "callbacks.checkpoints",
    "+trainer.enable_progress_bar=true": "callbacks.progress=null",
    "+trainer.logger=true": "logger=[csv,tensorboard]",
}

NUMBERS = [
    "trainer.val_check_interval=0.25",
    "trainer.val_check_interval=1.0",
    "trainer.val_check_interval='00:10:00'",
    "trainer.val_check_interval=0",
    "trainer.max_steps=-1",
    "trainer.max_steps=0",
    "trainer.log_every_n_steps=null",
    "trainer.log_every_n_steps=0",
]


@pytest.fixture(autouse=True)
def resolvers():
    prepare()


def test_an_argument_that_would_spoil_a_run_is_refused_with_what_to_set_instead():
    for argument in INSTEAD:
        key = argument.lstrip("+").partition("=")[0]
        with pytest.raises(Mistake, match=f"{key} is .* and cannot be set: ") as error:
            check_trainer(composed("train", [argument]).trainer)
        assert INSTEAD[argument] in str(error.value)
        assert "optimization" not in str(error.value)


def test_a_fraction_of_an_epoch_is_refused_as_a_number_of_updates():
    for argument in NUMBERS:
        key = argument.partition("=")[0]
        with pytest.raises(Mistake, match=f"{key} is .*; give a whole number of generator updates"):
            check_trainer(composed("train", [argument]).trainer)


def test_what_changes_nothing_is_no_matter():
    neutral = [
        "+trainer.limit_train_batches=null",
        "+trainer.fast_dev_run=false",
        "+trainer.accumulate_grad_batches=1",
        "trainer.val_check_interval=1e3",
    ]
    config = composed("train", neutral)
    check_trainer(config.trainer)
    assert config.trainer.val_check_interval == 1000
    assert isinstance(config.trainer.val_check_interval, int)


@pytest.mark.parametrize(
    ("kind", "instead"),
    [("GradientAccumulationScheduler", "loader.accumulate"), ("LearningRateMonitor", "lr/")],
)
def test_a_callback_that_cannot_work_is_refused_with_what_to_set_instead(kind, instead):
    target = f"+callbacks.mine._target_=lightning.pytorch.callbacks.{kind}"
    with pytest.raises(Mistake, match=f"callbacks.mine is a {kind}, .*{instead}"):
        check_callbacks(composed("train", [target]).callbacks)


def test_every_name_is_one_of_lightnings():
    import lightning.pytorch.callbacks as offered

    assert set(REFUSED) <= set(inspect.signature(Trainer).parameters)
    assert set(CALLBACKS) <= set(dir(offered))
