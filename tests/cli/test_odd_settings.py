"""Kinds of wrong settings: each has a line that names its key, before files are opened."""

import pytest
from conftest import TINY

from srlab.cli.arguments import check_values_given
from srlab.cli.checking import check_values
from srlab.cli.command import prepare
from srlab.cli.configuration import check_choices, check_lists, choices, composed
from srlab.cli.unknown import unknown_key
from srlab.mistakes import Mistake

TRAIN = "srlab.cli.settings.TrainSettings"

OF_LINES = {
    "data.root=": "data.root= gives no value; is a variable of the shell not set?",
    "weights=''": "weights='' gives no value;",
    "ema={}": "ema={} gives no value;",
    "--seed=1": "--seed=1: settings have no dashes, write seed=1.",
    "photo.png": "photo.png stands without a key: write KEY=VALUE without dashes",
    "loss={}": "loss={} chooses nothing; choose one of charbonnier,",
    "loss=[l1,ssim,l1]": "loss=[l1,ssim,l1] names l1 twice; name it once.",
}

OF_PARTS = {
    "scale=0": "scale is 0 for 2 spatial axes; give one integer >= 1,",
    "crop_size=[32]": "crop_size is [32] for 2 spatial axes; give one integer >= 1,",
    "spatial_dims=4": "spatial_dims is 4; it must be 2 (images) or 3 (volumes, video).",
    "data.bands=3": "data.bands is 3; give a list of whole numbers.",
    "data.bands=[]": "data.bands is []; name one band at least,",
    "schedule=null": "schedule is null, and every run needs one; leave schedule=null out.",
    "+foo=1": "+foo adds a key that nothing reads; --help lists all keys.",
    "optimiser.generator.lr=nan": "optimiser.generator.lr is nan; give a number, and not nan.",
    "discriminator.dense_channels=0": "discriminator.dense_channels is 0;",
    "optimiser.generator.betas=[0.9]": (
        "optimiser.generator.betas is [0.9]; give a list of 2 values."
    ),
    "loss.l1.start_step=-1": "loss.l1.start_step is -1; give a whole number >= 0.",
    "metric.ssim.window=4": "metric.ssim.window is 4; sides must be odd,",
    "callbacks.image_grid.count=0": "callbacks.image_grid.count is 0; give a whole number >= 1.",
}

LINES = {
    "guide": (
        ["data=landsat_pan", "data.root=a", "data.guide_root=b", "data.guide_ratio=[2]"],
        "data.guide_ratio is [2] for 2 spatial axes; give one integer >= 1,",
    ),
    "split": (
        ["split=block"],
        "split= has no effect on these data, which are split already; leave it out,",
    ),
    "objective": (
        ["discriminator=none", "adversarial=hinge"],
        "adversarial=hinge is a setting of a discriminator, and discriminator=none has none:",
    ),
    "optimiser": (
        ["discriminator=none", "optimiser.discriminator.lr=0.1"],
        "optimiser.discriminator.lr=0.1 is a setting of a discriminator,",
    ),
    "penalty": (
        ["discriminator=none", "penalty=r1"],
        "penalty=r1 bounds the gradient of a discriminator, and discriminator=none has none:",
    ),
    "discriminator": (
        ["discriminator=patchgan", "discriminator.layers=5"],
        "got crops of (32, 32) pixels; every side must be at least 96:",
    ),
}


def checked(arguments):
    """What a command does with its line before Hydra reads it."""
    for check in (check_choices, check_lists, check_values_given):
        check(arguments)


def test_argument_that_gives_nothing_is_refused():
    for argument in OF_LINES:
        prepare()
        with pytest.raises(Mistake) as error:
            checked([argument])
        assert OF_LINES[argument] in str(error.value)


@pytest.mark.parametrize("argument", OF_PARTS)
def test_value_out_of_range_is_named_by_its_key(command, tmp_path, argument):
    outcome = command("train", *TINY, "trainer.max_steps=1", "hydra.run.dir=run", argument)
    assert outcome.code == 1
    assert OF_PARTS[argument] in outcome.error
    assert "\n" not in outcome.error
    assert not list(tmp_path.rglob("*.ckpt"))


@pytest.mark.parametrize("name", LINES)
def test_settings_that_contradict_each_other_are_told_before_training(command, name):
    given, message = LINES[name]
    tiny = [line for line in TINY if not line.startswith("discriminator")]
    outcome = command("train", *tiny, "trainer.max_steps=1", "hydra.run.dir=run", *given)
    assert outcome.code == 1
    assert message in outcome.error


def test_key_of_a_part_that_is_not_chosen_is_told_with_the_choice():
    prepare()
    line = unknown_key("discriminator.channels", "train", ["discriminator=none"])
    assert line == (
        "discriminator.channels is no key of the configuration with discriminator=none, which "
        "takes none; leave it out or choose another discriminator."
    )
    assert "did you mean generator or" in unknown_key("genrator", "train", [])


def test_evaluation_refuses_what_the_model_does_not_have(command, tmp_path, trained):
    (tmp_path / "a.txt").touch()
    model = f"model={trained / 'model.safetensors'}"
    assert "scale=2 was asked for and" in command("evaluate", model, "scale=2").error
    assert "spatial_dims=3 was asked for" in command("evaluate", model, "spatial_dims=3").error
    assert "metric=[] reports nothing;" in command("evaluate", model, "metric=[]").error
    assert "seed is -4;" in command("evaluate", model, "seed=-4").error
    assert "a.txt is a file; name a folder" in command("evaluate", model, "output=a.txt").error
    assert "loader.batch_size is -1;" in command("summary", "loader.batch_size=-1").error
    refused = command("evaluate", model, "normaliser=zscore").error
    assert refused == "error: normaliser= cannot be chosen: the model brings its own; leave it out."


def test_every_size_of_a_network_is_checked_where_it_is_used():
    from srlab.cli.building import built

    prepare()
    for generator in ["compact", "lka", "rcab", "rrdb", "stochastic"]:
        assert generator in choices("generator")
        for key in ("channels", "blocks"):
            config = composed("train", [f"generator={generator}", f"generator.{key}=-1"])
            check_values(config, settings=TRAIN)
            with pytest.raises(Mistake, match=rf"^generator\.{key} is -1; give a whole number"):
                built(config.generator)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["split.fraction=7"], "split.fraction is 7; it must lie between 0 and 1, such as 0.1."),
        (["split=list"], "split.files must be given: split.files=…."),
    ],
)
def test_value_of_a_node_that_another_refers_to_is_named_where_it_is_set(given, message):
    from srlab.cli.building import built

    prepare()
    config = composed("train", ["data=rgb_folder", "data.root=.", *given])
    with pytest.raises(Mistake) as error:
        built(config.data)
    assert str(error.value) == message


def test_value_that_another_refers_to_may_be_added():
    prepare()
    config = composed("train", ["+width=8", "generator.channels=${width}"])
    check_values(config, settings=TRAIN)
