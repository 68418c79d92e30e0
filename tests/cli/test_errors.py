"""Mistakes on the command line: one line says what was got, what was wanted and what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TINY

from srlab.axes import per_axis
from srlab.cli.checking import check_values
from srlab.cli.command import prepare
from srlab.cli.configuration import composed
from srlab.cli.errors import one_line_errors, user_message
from srlab.mistakes import Mistake

ONE_STEP = [*TINY, "trainer.max_steps=1", "hydra.run.dir=run"]

HYDRA_FULL_ERROR = os.environ.get("HYDRA_FULL_ERROR")

TRAIN = "srlab.cli.settings.TrainSettings"

OF_COMPOSITION = {
    "experiment=ersgan": "experiment=ersgan does not exist; choose one of demo, ",
    "generator=rrdbb": "generator=rrdbb does not exist; choose one of compact, ",
    "loss=foo": "loss=foo does not exist; choose one of charbonnier, consistency,",
    "loss=[l1,foo]": "loss=foo does not exist; choose one of charbonnier,",
    "scheduler@scheduler.generator=cosin": (
        "scheduler=cosin does not exist; choose one of chained, constant, cosine,"
    ),
    "seeed=1": (
        "seeed is no key of the configuration; did you mean seed or sweep? --help lists them all."
    ),
    "generator.chanels=3": (
        "generator.chanels is no key of the configuration; did you mean generator.channels"
    ),
    "optimiser=sgd": (
        "Did you mean to override one of optimiser@optimiser.discriminator, optimiser@"
    ),
    "foo": "Error parsing override 'foo'; missing EQUAL at",
}
"""Found by Hydra."""

OF_VALUES = {
    "loader.batch_size=abc": "loader.batch_size is 'abc'; give a whole number.",
    "ema.decay=true": "ema.decay is True; give a number.",
    "channels_last=maybe": "channels_last is 'maybe'; give true or false.",
    "data.symmetries=[flip]": (
        "data.symmetries is ['flip']; give a list of flips, quarter_turns, such as [flips]."
    ),
    "schedule.pretrain_steps=2.5": "schedule.pretrain_steps is 2.5; give a whole number.",
    "weights_match=foo": "weights_match is 'foo'; give exact or partial or inflate.",
    "trainer.max_steps=1.5": "trainer.max_steps is 1.5; give a whole number.",
    "loader.num_workers=1.5": "loader.num_workers is 1.5; give a whole number.",
    "callbacks.checkpoints.keep=1.5": "callbacks.checkpoints.keep is 1.5; give a whole number.",
    "generator.channels=64.5": "generator.channels is 64.5; give a whole number.",
    "ema.start_step=2.5": "ema.start_step is 2.5; give a whole number.",
    "generator.skip=cubi": "generator.skip is 'cubi'; give none or nearest or linear or cubic.",
    "data.bands=[1,x,null]": "data.bands is [1, 'x', None]; give a list of whole numbers.",
    "+generator.chanels=3": (
        "generator.chanels is no argument of srlab.generators.SRResNet; did you"
    ),
    "on_nonfinite=stop": "on_nonfinite is 'stop'; give raise or skip.",
    "seed=1.5": "seed is 1.5; give a whole number.",
}
"""Found by comparing values with annotations."""

OF_PARTS = {
    "~ema": "ema is no key of the configuration",
    "penalty=null": "penalty=null chooses nothing; choose one of none, r1, wgan_gp.",
    "data=": "data= chooses nothing; choose one of ",
    "data=rgb_folder": "data.root must be given: data.root=….",
    "ema.device=foo": "Expected one of cpu, cuda,",
    "loss=[]": "the loss has no terms; choose at least one, such as loss=[l1].",
    "metric=[]": (
        "callbacks.checkpoints.monitor is 'val/psnr', which is not logged: metric= chooses nothing."
    ),
    "callbacks.checkpoints.monitor=val/psrn": (
        "monitor is 'val/psrn', which is not logged: metric= chooses val/psnr,"
    ),
    "callbacks=[]": (
        "callbacks has no checkpoints, so that the run would keep nothing; list default, too:"
    ),
    "scheduler.generator=null": (
        "scheduler.generator is null; choose scheduler@scheduler.generator=constant."
    ),
    "loss.l1.weight=-1": "a loss term has weight -1; give a finite number >= 0.",
    "+scheduler.generator.total_steps=0": (
        "scheduler.generator.total_steps is no argument of srlab.training.optimisers.schedulers."
    ),
    "trainer.precision=16-true": "trainer.precision=16-true would keep the weights in 16 bits,",
    "+trainer.gradient_clip_val=1": (
        "trainer.gradient_clip_val is 1 and cannot be set: choose clipping@clipping.generator=norm"
    ),
    "optimiser.generator.lr=-1": "optimiser.generator: Invalid learning rate: -1",
    "hydra.run.dir=taken": "taken cannot be used: File exists.",
}
"""Found by what is built."""


def test_mistake_in_composing_has_a_line_of_its_own():
    for argument in OF_COMPOSITION:
        prepare()
        with pytest.raises(Exception, match=r"\w") as error:
            composed("train", [argument])
        message = user_message(error.value)
        assert OF_COMPOSITION[argument] in message
        assert "\n" not in message


def test_mistaken_value_is_named():
    for argument in OF_VALUES:
        prepare()
        with pytest.raises(Mistake) as error:
            check_values(composed("train", [argument]), settings=TRAIN)
        assert OF_VALUES[argument] in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("argument", [*OF_PARTS, "generator=rrdbb", "loader.num_workers=1.5"])
def test_mistake_ends_in_one_line(command, tmp_path, argument):
    (tmp_path / "taken").touch()
    outcome = command("train", *ONE_STEP, argument)
    assert outcome.code == 1
    assert outcome.error.startswith("error: ")
    assert "\n" not in outcome.error
    assert (OF_PARTS | OF_VALUES | OF_COMPOSITION)[argument] in outcome.error
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
    error = command(name, "model=a", "generator=rrdb").error
    assert error == "error: generator is no key of the configuration; --help lists them all."
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


def test_a_cycle_must_not_end_before_the_run(command):
    cycle = ["scheduler@scheduler.generator=one_cycle", "scheduler.generator.total_steps=0"]
    error = command("train", *ONE_STEP, *cycle).error
    assert "total_steps is 0; it must be no less than trainer.max_steps, 1." in error


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


def test_text_may_stand_for_a_number_where_the_class_takes_it():
    prepare()
    check_values(
        composed("train", ["metric=[frc]", "metric.frc.threshold=half_bit"]), settings=TRAIN
    )


def test_whole_numbers_may_be_written_as_floats():
    prepare()
    config = composed("train", ["trainer.max_steps=1e5", "callbacks.checkpoints.every=2e3"])
    check_values(config, settings=TRAIN)
    assert (config.trainer.max_steps, config.callbacks.checkpoints.every) == (100_000, 2000)
    assert isinstance(config.trainer.max_steps, int)


def test_values_are_checked_without_lightning_and_torch():
    argument = "callbacks.checkpoints.keep=1.5"
    script = f"""
import atexit, sys
atexit.register(lambda: print("LOADED", *sys.modules))
sys.argv = ["train", "{argument}", "hydra.run.dir=/dev/null/none", "hydra.output_subdir=null"]
from srlab.cli.checking import check_values
from srlab.cli.command import prepare
from srlab.cli.configuration import composed
prepare()
check_values(composed("train", ["{argument}"]), settings="{TRAIN}")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert argument.partition("=")[0] in done.stderr
    assert not {"torch", "lightning"} & set(done.stdout.split("LOADED")[1].split())


def test_bugs_keep_their_traceback_and_mistakes_do_not():
    def library_error():
        int("not a number")

    with pytest.raises(ValueError, match="invalid literal"), one_line_errors():
        library_error()
    with pytest.raises(SystemExit) as exit_, one_line_errors():
        per_axis(0, 2)
    assert str(exit_.value.code).startswith("error: got 0 for 2 spatial axes")
    assert "\n" not in str(exit_.value.code)
    with pytest.raises(SystemExit, match="cannot be used: File name too long"), one_line_errors():
        Path("a" * 300).stat()


def test_interruption_ends_in_one_line(capsys):
    with pytest.raises(SystemExit) as exit_, one_line_errors():
        raise KeyboardInterrupt
    assert exit_.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_null_leaves_out_what_may_be_left_out_also_when_resumed(command, tmp_path):
    given = ["experiment=null", "sweep=null", "metric.ssim=null", "logger.tensorboard=null"]
    assert command("train", *ONE_STEP, *given).code == 0
    (tmp_path / "run" / "status.json").unlink()
    assert command("train", "resume=last", "hydra.run.dir=run").code == 0
    assert (tmp_path / "run" / "status.json").is_file()
