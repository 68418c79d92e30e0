"""Mistakes on the command line: each ends in one line that says what was got, what was wanted and what to do."""

import os

import pytest
from conftest import TINY
from omegaconf import OmegaConf

from srlab.cli import command as cli
from srlab.cli.configuration import check_kinds, choices, composed

ONE_STEP = [*TINY, "trainer.max_steps=1", "hydra.run.dir=run"]

HYDRA_FULL_ERROR = os.environ.get("HYDRA_FULL_ERROR")

MISTAKES = {
    "experiment=ersgan": "experiment=ersgan does not exist; choose one of demo, esrgan,",
    "generator=rrdbb": "generator=rrdbb does not exist; choose one of compact, interpolation, lka,",
    "loss=foo": "loss=foo does not exist; choose one of charbonnier, consistency,",
    "loss=[l1,foo]": "loss=foo does not exist; choose one of charbonnier,",
    "scheduler@scheduler.generator=cosin": "scheduler=cosin does not exist; choose one of chained, constant, cosine,",
    "penalty=null": "penalty=null chooses nothing; choose one of none, r1, wgan_gp.",
    "data=": "data= chooses nothing; choose one of demo, rgb_folder, sentinel2.",
    "seeed=1": "seeed is no key of the configuration; did you mean seed? --help lists them all.",
    "generator.chanels=3": "generator.chanels is no key of the configuration; did you mean generator.channels",
    "~ema": "ema is no key of the configuration",
    "optimiser=sgd": "Did you mean to override one of optimiser@optimiser.discriminator, optimiser@",
    "foo": "Error parsing override 'foo'; missing EQUAL at",
    "data=rgb_folder": "data.root must be given: data.root=….",
    "loader.batch_size=abc": "loader.batch_size is 'abc'; give a number, as 16.",
    "ema.decay=true": "ema.decay is True; give a number, as 0.999.",
    "channels_last=maybe": "channels_last is 'maybe'; give true or false.",
    "data.augment=1": "data.augment is 1; give true or false.",
    "ema.device=foo": "ema: Expected one of cpu, cuda,",
    "generator.channels=0": "a convolution from 3 to 0 channels; there must be 1 at least.",
    "loss=[]": "the loss has no terms; choose at least one, as loss=[l1].",
    "metric=[]": "callbacks.checkpoints.monitor is 'val/psnr', which is not logged: metric= chooses nothing.",
    "metric=[mae]": "callbacks.checkpoints.monitor is 'val/psnr', which is not logged: metric= chooses val/mae.",
    "callbacks.checkpoints.monitor=val/psrn": "monitor is 'val/psrn', which is not logged: metric= chooses val/psnr,",
    "callbacks.checkpoints.monitor=psnr": "monitor is 'psnr', which is not logged: metric= chooses val/psnr,",
    "callbacks=[]": "callbacks has no checkpoints, so that the run would keep nothing; list default, too,",
    "callbacks=early_stopping": "callbacks has no checkpoints,",
    "schedule.pretrain_steps=2.5": "schedule.pretrain_steps is 2.5; give a whole number of generator updates.",
    "scheduler.generator=null": "scheduler.generator is null; choose scheduler@scheduler.generator=constant.",
    "adversarial.weight=-1": "adversarial.weight is -1; give a finite number >= 0.",
    "loss.l1.weight=-1": "a loss term has weight -1; give a finite number >= 0.",
    "+scheduler.generator.total_steps=0": "total_steps is 0; it must be no less than trainer.max_steps, 1.",
    "weights_match=foo": "weights_match is 'foo'; it must be one of exact, partial, inflate.",
    "trainer.log_every_n_steps=0": "trainer.log_every_n_steps is 0; give a whole number of generator updates >= 1.",
    "trainer.max_steps=1.5": "trainer.max_steps is 1.5; give a whole number of generator updates >= 1.",
    "trainer.precision=16-true": "trainer.precision=16-true would keep the weights in 16 bits,",
    "+trainer.gradient_clip_val=1": "Automatic gradient clipping is not supported for manual optimization.",
    "hydra.run.dir=taken": "taken cannot be used: File exists.",
}


@pytest.mark.parametrize("argument", MISTAKES)
def test_mistake_ends_in_one_line(command, tmp_path, argument):
    (tmp_path / "taken").touch()
    outcome = command("train", *ONE_STEP, argument)
    assert outcome.code == 1
    assert outcome.error.startswith("error: ")
    assert "\n" not in outcome.error
    assert MISTAKES[argument] in outcome.error
    assert not list(tmp_path.rglob("*.ckpt"))
    assert os.environ.get("HYDRA_FULL_ERROR") == HYDRA_FULL_ERROR


@pytest.mark.parametrize("name", ["predict", "evaluate"])
def test_other_commands_say_so_too(command, name):
    assert command(name, "overwrte=true", "trsut=true").error.startswith("error: ")
    error = command(name, "model=a", "trsut=true").error
    assert (
        error
        == "error: trsut is no key of the configuration; did you mean trust? --help lists them all."
    )
    assert command(name, "trust=maybe").error == "error: trust is 'maybe'; give true or false."


def test_plateau_must_be_told_something_that_is_logged(command):
    plateau = [
        "scheduler@scheduler.discriminator.then=plateau",
        "scheduler.discriminator.then.monitor=val/psrn",
    ]
    outcome = command("train", *ONE_STEP, "scheduler@scheduler.discriminator=warmup", *plateau)
    assert (
        "scheduler.discriminator.then.monitor is 'val/psrn', which is not logged" in outcome.error
    )


def test_later_job_of_a_sweep_may_be_the_one_that_is_mistaken(command):
    outcome = command(
        "train", *ONE_STEP[:-1], "-m", "generator=srresnet,rrdbb", "hydra.sweep.dir=sweep"
    )
    assert outcome.code == 1
    assert outcome.error.startswith("error: generator=rrdbb does not exist; choose one of ")


def test_sweep_has_a_folder_without_being_told(command, tmp_path):
    tiny = ["generator.channels=4", "generator.blocks=1", "discriminator=none", *TINY[-3:]]
    assert command("train", *tiny, "trainer.max_steps=1", "-m", "seed=1,2").code == 0
    (sweep,) = (tmp_path / "multirun").iterdir()
    assert {path.parent.name for path in sweep.glob("*/model.safetensors")} == {"0", "1"}


def test_callback_can_be_left_out(command, tmp_path):
    given = ["callbacks.progress=null", "callbacks.histograms=null", "logger=[]"]
    assert command("train", *ONE_STEP, *given).code == 0
    assert (tmp_path / "run" / "model.safetensors").is_file()
    assert not (tmp_path / "run" / "metrics.csv").exists()


def test_any_logged_value_can_be_monitored(command, tmp_path):
    given = [
        "trainer.max_steps=4",
        "trainer.val_check_interval=1",
        "trainer.log_every_n_steps=1",
        "discriminator=none",
    ]
    monitor = ["callbacks.checkpoints.monitor=loss/l1", "callbacks.checkpoints.mode=min"]
    tiny = [line for line in ONE_STEP if not line.startswith(("discriminator", "trainer"))]
    assert command("train", *tiny, *given, *monitor).code == 0
    import csv
    import json

    with (tmp_path / "run" / "metrics.csv").open() as file:
        losses = [float(row["loss/l1"]) for row in csv.DictReader(file)]
    assert json.loads((tmp_path / "run" / "status.json").read_text())["best"] == min(losses)


@pytest.mark.parametrize("full", [None, "1"])
def test_traceback_is_shown_on_request(command, monkeypatch, full):
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    if full is None:
        assert command("train", "generator=rrdbb").code == 1
    else:
        monkeypatch.setenv("HYDRA_FULL_ERROR", full)
        with pytest.raises(Exception, match="Could not find 'generator/rrdbb'"):
            command("train", "generator=rrdbb")


def test_every_default_fits_itself():
    cli.prepare()
    for name in choices("experiment"):
        overrides = [f"experiment={name}"]
        if "root" in (config := composed("train", overrides)).data:
            OmegaConf.update(config, "data.root", "somewhere")
        check_kinds(config, name="train", overrides=overrides)


def test_text_may_stand_for_a_number_where_the_class_takes_it(command):
    cli.prepare()
    given = ["metric=[psnr,frc]", "metric.frc.threshold=half_bit"]
    check_kinds(composed("train", given), name="train", overrides=given)
    error = command("train", *ONE_STEP, "metric=[psnr,mae]", "metric.mae.per_band=half").error
    assert "metric.mae.per_band is 'half'; give true or false." in error


@pytest.mark.parametrize(
    "given", [["experiment=null", "sweep=null"], ["metric.ssim=null", "logger.tensorboard=null"]]
)
def test_null_leaves_out_what_may_be_left_out_also_when_resumed(command, tmp_path, given):
    assert command("train", *ONE_STEP, *given).code == 0
    (tmp_path / "run" / "status.json").unlink()
    assert command("train", "resume=last", "hydra.run.dir=run").code == 0
    assert (tmp_path / "run" / "status.json").is_file()
