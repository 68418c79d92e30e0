"""A generator or a run that starts from given weights."""

import re
from dataclasses import replace

import pytest
import torch
from conftest import TINY, Outcome
from model_examples import checkpoint, image, model
from published import compact, compact_state, saved
from safetensors.torch import load_file

from srlab.generators import RRDB, Compact, Interpolation, SRResNet
from srlab.models.pretrained.weights import load_weights


@pytest.mark.parametrize("kind", [SRResNet, RRDB, Compact])
def test_our_own_names_need_no_translation(tmp_path, kind):
    arguments = {"in_channels": 3, "out_channels": 3, "scale": 2, "channels": 8, "blocks": 1}
    one, other = kind(**arguments), kind(**arguments)
    load_weights(other, saved(tmp_path, one.state_dict()))
    for name, tensor in other.state_dict().items():
        assert torch.equal(tensor, one.state_dict()[name]), name


def test_generator_without_weights_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Interpolation has no weights to load"):
        load_weights(Interpolation(in_channels=3, scale=4), saved(tmp_path, compact_state()))


def test_unknown_match_is_refused(tmp_path):
    message = "weights_match is 'most'; it must be one of exact, partial, inflate"
    with pytest.raises(ValueError, match=message):
        load_weights(compact(), saved(tmp_path, compact_state()), match="most")


@pytest.mark.parametrize("kind", ["bundle", "checkpoint"])
def test_weights_of_a_run_start_another_generator(tmp_path, kind):
    trained, path = model("SRResNet", seed=1), tmp_path / "model.safetensors"
    trained.save(path)
    if kind == "checkpoint":
        path = checkpoint(tmp_path / "last.ckpt", trained=trained)
    fresh = model("SRResNet", seed=2)
    load_weights(fresh.generator, path)
    assert torch.equal(fresh(image(4, 5)), trained(image(4, 5)))


def test_bundle_of_another_scale_is_refused_or_gives_what_fits(tmp_path):
    path = tmp_path / "model.safetensors"
    trained = model(scale=(4, 4), seed=1)
    trained.save(path)
    message = f"{path} is a model for scale (4, 4) and this run has scale (2, 2); set scale to "
    message += "match, or weights_match=partial to load what fits."
    generator = model(seed=2).generator
    with pytest.raises(ValueError, match=re.escape(message)):
        load_weights(generator, path)
    load_weights(generator, path, match="partial")
    assert torch.equal(generator.head[0].weight, trained.generator.head[0].weight)


@pytest.mark.parametrize("match", ["exact", "inflate"])
def test_bundle_of_another_unshuffle_is_refused(tmp_path, match):
    path = tmp_path / "model.safetensors"
    trained = model("RRDB", unshuffle=[2, 1])
    trained.save(path)
    message = "by (2, 1) (pixel-unshuffle), and this run's generator by (1, 2); set "
    message += "generator.unshuffle=[2, 1], or"
    with pytest.raises(ValueError, match=re.escape(message)):
        load_weights(model("RRDB", unshuffle=[1, 2]).generator, path, match=match)
    fresh = model("RRDB", unshuffle=[2, 1], seed=5)
    load_weights(fresh.generator, path, match=match)
    assert torch.equal(fresh(image(4, 5)), trained(image(4, 5)))


@pytest.mark.parametrize("other", [{"generator": "RRDB"}, {"channels": 5}, {"blocks": 2}], ids=str)
def test_bundle_of_another_network_is_refused_by_one_line(tmp_path, other):
    path = tmp_path / "model.safetensors"
    trained = model(**other)
    trained.save(path)
    message = f"{path} holds a {trained.card.generator['_target_']}, whose weights do not fit this "
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        load_weights(model("SRResNet").generator, path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_checkpoint_of_another_name_is_refused(tmp_path):
    path = checkpoint(tmp_path / "last.pth", trained=model())
    message = r"is a checkpoint of a run; give it a name that ends in \.ckpt"
    with pytest.raises(ValueError, match=message):
        load_weights(model().generator, path)


def test_run_starts_from_the_weights_of_other_bands(command, tmp_path):
    trained = model(scale=(4, 4), channels=8)
    trained.card = replace(trained.card, input_names=("R", "G", "B"))
    trained.save(tmp_path / "trained (1).safetensors")
    steps = ("trainer.max_steps=1", "ema=null", "optimiser.generator.lr=0", "hydra.run.dir=run")
    steps += ("+trainer.limit_val_batches=0", "logger=[csv]")
    given = ("weights=trained (1).safetensors", "weights_match=inflate", "data.bands=[3,1]")
    assert command("train", *TINY, *steps, *given) == Outcome(0, "")
    red, green, blue = trained.generator.head[0].weight.unbind(1)
    filters = load_file(tmp_path / "run" / "model.safetensors")["generator.head.0.weight"]
    torch.testing.assert_close(filters, torch.stack([blue + green / 2, red + green / 2], dim=1))


def test_match_without_weights_is_told_in_one_line(command):
    outcome = command("train", *TINY, "weights_match=partial")
    assert outcome == Outcome(1, "error: weights_match=partial needs weights=PATH.")
