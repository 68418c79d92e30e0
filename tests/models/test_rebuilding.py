"""What a stranger's model card can name: a class of ours with plain arguments, and nothing else."""

import os
import re
import sys

import pytest
import torch
from model_examples import SRRESNET, axes, refusal, weights, written

import srlab
from srlab.mistakes import Mistake
from srlab.models.rebuilding import build


@pytest.fixture(autouse=True)
def marker(tmp_path, monkeypatch):
    """Stands for harm: it exists once anything that a card names has been run."""
    path = tmp_path / "marker"
    monkeypatch.setattr(os, "system", lambda *_: path.mkdir())
    yield
    assert not path.exists()


TARGETS = [
    *["os.system", "builtins.exec", "exec", "torch.nn.Linear", "srlab.models.bundle.torch.load"],
    *["srlab.prediction.blocks.np.load", "srlab.generators.rrdb.nn.Sequential"],
    *["srlab.generators.rrdb.RRDB", "srlab.generators.torch.load", "srlab.generators.rrdb"],
    *["srlab.models.super_resolver.SuperResolver", "srlab.losses.L1", "srlab.discriminators.SRGAN"],
    *["srlab.normalisers.Identity", "srlab.generators.Generator", "srlab.generators.__init__"],
    *["srlab.generators.__all__", "srlab.generators.", "srlab.generators", "SRResNet"],
    *[".SRResNet", "srlab.generators.SRResNet ", "srlab.generators.SRResNet\n", ""],
    *["srlab.generators.multiple_of", None, 5, True, [], ["srlab.generators.SRResNet"]],
    {"_target_": "srlab.generators.SRResNet"},
]


def test_only_an_exported_generator_may_be_named(tmp_path):
    for target in TARGETS:
        message = refusal(written(tmp_path, generator=SRRESNET | {"_target_": target}))
        assert (
            f"names {target!r}, which is not a class of srlab.generators, and was not run"
            in message
        )


NORMALISERS = ["os.system", "srlab.generators.SRResNet", "srlab.normalisers.Normaliser", "", None]


def test_only_an_exported_normaliser_may_be_named(tmp_path):
    for target in [*NORMALISERS, "srlab.normalisers.Statistics"]:
        message = refusal(written(tmp_path, normaliser={"_target_": target}))
        assert (
            f"names {target!r}, which is not a class of srlab.normalisers, and was not" in message
        )


def test_a_foreign_class_that_is_exported_is_still_foreign(tmp_path, monkeypatch):
    monkeypatch.setattr(srlab.generators, "Sequential", torch.nn.Sequential, raising=False)
    monkeypatch.setattr(srlab.generators, "__all__", [*srlab.generators.__all__, "Sequential"])
    message = refusal(written(tmp_path, generator={"_target_": "srlab.generators.Sequential"}))
    assert "'srlab.generators.Sequential', which is not a class of srlab.generators" in message


NESTED = {"_target_": "os.system", "command": "true"}


def test_arguments_are_plain_values(tmp_path):
    cases = [
        ({"skip": NESTED}, "names 'os.system', which is not a class of srlab.generators"),
        ({"skip": {}}, "the argument 'skip' is nested"),
        ({"scale": [2, NESTED]}, "the argument 'scale' is nested"),
        ({"scale": [2, [[[NESTED]]]]}, "the argument 'scale' is nested"),
        ({"skip": "os.system"}, "the argument 'skip' is 'os.system'; only plain words are allowed"),
        ({"skip": "/etc/passwd"}, "'skip' is '/etc/passwd'; only plain words are allowed"),
        ({"skip": "..\\model"}, "only plain words are allowed"),
        ({"skip": "cubic\n"}, "only plain words are allowed"),
        ({"skip": "${oc.env:HOME}"}, "only plain words are allowed"),
        ({"scale": [2, "a.b"]}, "the argument 'scale' is 'a.b'; only plain words are allowed"),
        ({"_recursive_": False}, "an argument '_recursive_'; names with a leading underscore"),
        ({"_partial_": True}, "an argument '_partial_'; names with a leading underscore"),
        ({"__class__": 1}, "an argument '__class__'; names with a leading underscore"),
        ({"weights": "x"}, "unexpected keyword argument 'weights'"),
    ]
    for argument, reason in cases:
        message = refusal(written(tmp_path, generator=SRRESNET | argument))
        assert "the model card's arguments do not fit srlab.generators.SRResNet" in message
        assert reason in message


MISFIT = "its tensors are not those of the model it names"


def test_hostile_sizes_are_refused_before_memory_is_taken(tmp_path):
    cases = [
        ({"channels": 10**9}, "'channels' is 1000000000; no network is that large"),
        ({"blocks": 10**12}, "'blocks' is 1000000000000; no network is that large"),
        ({"scale": [2, 10**15 + 37]}, "[2, 1000000000000037]; no network is that large"),  # a prime
        ({"scale": -(10**30)}, "no network is that large"),
        ({"channels": 300_000}, MISFIT),
        ({"in_channels": 900_000, "channels": 900_000}, MISFIT),
        ({"blocks": 900_000}, "the network has more tensors than the file"),
        ({"scale": 65_536}, "the network has more tensors than the file"),
        ({"channels": -3}, "channels is -3; give a whole number >= 1"),
        ({"scale": -2}, "got -2 for 2 spatial axes"),
        ({"scale": [2] * 1000}, "got [2, 2, 2, 2, "),
        ({"scale": [[2], 2]}, "for 2 spatial axes"),
        ({"spatial_dims": 7}, "for 7 spatial axes"),
        ({"spatial_dims": 3, "scale": 2}, MISFIT),
        ({"channels": 4.5}, "do not fit"),
        ({"channels": None}, "do not fit"),
        ({"channels": "four"}, "do not fit"),
        ({"channels": [4]}, "do not fit"),
        ({"blocks": float("inf")}, "do not fit"),
        ({"skip": "x" * 10_000}, "skip is 'xxx"),
    ]
    for argument, reason in cases:
        assert reason in refusal(written(tmp_path, generator=SRRESNET | argument))


def test_hostile_statistics_are_refused(tmp_path):
    cases = [
        ([1.0] * 1_000_001, "'maximum' has 1000001 entries; at most 1000000 are allowed"),
        ([1.0, 2.0], MISFIT),
        ([[1.0, 2.0], [3.0]], "do not fit srlab.normalisers.MinMax"),
        (10**400, "do not fit srlab.normalisers.MinMax"),
        ("many", "do not fit srlab.normalisers.MinMax"),
        (None, "do not fit srlab.normalisers.MinMax"),
        (float("nan"), "the maximum must be larger"),
        (-1, "the maximum must be larger"),
    ]
    for maximum, reason in cases:
        numbers = {"normaliser.minimum": torch.zeros(1), "normaliser.maximum": torch.ones(1)}
        recipe = {"_target_": "srlab.normalisers.MinMax", "minimum": 0, "maximum": maximum}
        assert reason in refusal(written(tmp_path, weights() | numbers, normaliser=recipe))


def test_normaliser_is_for_the_channels_of_the_card(tmp_path):
    for channels in [10**8, 4, -1, [3], "three"]:
        recipe = {"_target_": "srlab.normalisers.ZScore", "channels": channels}
        message = (
            f"its normaliser is for {channels!r} channels; the card names 3 input and 3 output"
        )
        assert message in refusal(written(tmp_path, normaliser=recipe))


def test_parts_of_a_normaliser_follow_the_same_rules(tmp_path):
    cases = [
        (NESTED, "names 'os.system', which is not a class of srlab.normalisers"),
        ({"_target_": "srlab.normalisers.ZScore", "channels": 10**8}, "is for 100000000 channels"),
        ({"_target_": "srlab.generators.Interpolation"}, "which is not a class of srlab.normal"),
    ]
    for of_lr, reason in cases:
        identity = {"_target_": "srlab.normalisers.Identity"}
        recipe = {"_target_": "srlab.normalisers.Paired", "of_lr": of_lr, "of_hr": identity}
        assert reason in refusal(written(tmp_path, normaliser=recipe))


def test_tensors_must_be_those_of_the_network(tmp_path):
    cases = [
        ({"generator.tail.weight": None}, 'Missing key(s) in state_dict: "tail.weight"'),
        ({"generator.extra": torch.ones(1)}, 'Unexpected key(s) in state_dict: "extra'),
        ({"normaliser.extra": torch.ones(1)}, '"normaliser.extra"'),
        ({"stranger": torch.ones(1)}, '"stranger"'),
        ({"generator.tail.bias": torch.ones(4)}, "size mismatch for tail.bias"),
        ({"generator.tail.bias": torch.ones(3).long()}, '"tail.bias"'),
    ]
    for change, reason in cases:
        tensors = weights() | change
        given = {name: tensor for name, tensor in tensors.items() if tensor is not None}
        assert reason in refusal(written(tmp_path, given))


def test_tensors_must_be_there(tmp_path):
    assert "more tensors than the file, which has 0" in refusal(written(tmp_path, {}))


def test_card_and_generator_must_agree_on_the_scale(tmp_path):
    for scale in [(4, 4), (2, 3), (2, 2, 2)]:
        path = written(tmp_path, scale=scale, axes=[vars(axis) for axis in axes(len(scale))])
        assert f"its card says scale {scale} and its generator (2, 2)" in refusal(path)


def test_card_and_generator_must_agree_on_the_outputs(tmp_path):
    message = "its card says output channels 1 and its generator 3"
    assert message in refusal(written(tmp_path, output_names=["pan"]))


FOREIGN = """
import torch
from pathlib import Path

class Twice(torch.nn.Module):
    def __init__(self, *, in_channels, note):
        super().__init__()
        Path(note["path"]).touch()
        self.in_channels, self.scale = in_channels, (2, 2)
        self.gain = torch.nn.Parameter(torch.ones(1))

    def forward(self, lr):
        return self.gain * lr.repeat_interleave(2, 2).repeat_interleave(2, 3)

class Broken(torch.nn.Module):
    def __init__(self):
        int("a bug of theirs")
"""


@pytest.fixture
def foreign(tmp_path, monkeypatch):
    """Write a bundle whose generator is of another package, with a dotted argument."""
    (tmp_path / "theirs_of_the_tests.py").write_text(FOREIGN)
    monkeypatch.syspath_prepend(tmp_path)

    def write(name, **arguments):
        recipe = {"_target_": f"theirs_of_the_tests.{name}", **arguments}
        return written(tmp_path, {"generator.gain": torch.tensor([3.0])}, generator=recipe)

    yield write
    sys.modules.pop("theirs_of_the_tests", None)


def test_foreign_class_runs_only_with_trust(foreign, tmp_path):
    path = foreign("Twice", in_channels=3, note={"path": str(tmp_path / "imported.here")})
    message = "names 'theirs_of_the_tests.Twice', which is not a class of srlab.generators"
    assert message in refusal(path)
    assert "theirs_of_the_tests" not in sys.modules
    assert not (tmp_path / "imported.here").exists()

    model = srlab.load(path, trust=True)
    assert (tmp_path / "imported.here").exists()
    expected = torch.full((1, 3, 4, 6), 6.0)
    assert torch.equal(model(torch.full((1, 3, 2, 3), 2.0)), expected)


def test_bug_of_a_foreign_class_shows_itself(foreign):
    with pytest.raises(ValueError, match=r"^invalid literal for int\(\)"):
        srlab.load(foreign("Broken"), trust=True)


def test_trust_needs_the_package_that_defines_the_class(tmp_path):
    for target in ["not_installed_anywhere.Thing", "srlab.generators.Missing", "Thing", "", 5]:
        path = written(tmp_path, generator=SRRESNET | {"_target_": target})
        message = f"{str(target)!r}, which cannot be imported here"
        with pytest.raises(ValueError, match=re.escape(message)):
            srlab.load(path, trust=True)


def test_steps_of_a_chain_are_built_by_the_same_rules():
    area = {"_target_": "srlab.degradations.Area", "scale": [2, 2]}
    recipe = {"_target_": "srlab.degradations.Chain", "scale": [4, 4], "steps": [area, area]}
    chain = build(recipe, package="srlab.degradations", kind=object)
    image = torch.rand(1, 3, 8, 12, generator=torch.Generator().manual_seed(0))
    blocks = image.view(1, 3, 2, 4, 3, 4).mean(dim=(3, 5))
    torch.testing.assert_close(chain(image, generator=torch.Generator()), blocks)
    for foreign in ("os.system", "srlab.generators.RRDB", "srlab.degradations.adjoint"):
        recipe["steps"] = [area, {"_target_": foreign, "scale": [2, 2]}]
        with pytest.raises(Mistake, match="the model card's arguments do not fit"):
            build(recipe, package="srlab.degradations", kind=object)
