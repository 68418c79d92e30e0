"""What a stranger's file can do: nothing but be a model, or be refused by one line."""

import json
import os
import pickle
import re
import sys
import warnings
from dataclasses import asdict, replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

import srlab
from srlab.generators import SRResNet
from srlab.models.bundle import ModelCard, load_checkpoint, read_bundle, write_bundle

ARGUMENTS = {"in_channels": 3, "out_channels": 3, "scale": [2, 2], "channels": 4, "blocks": 1}
SRRESNET = {"_target_": "srlab.generators.SRResNet", **ARGUMENTS}
CARD = ModelCard(
    generator=SRRESNET,
    normaliser={"_target_": "srlab.normalisers.Identity"},
    scale=(2, 2),
    bands=(1, "nir", 3),
    channels=("red", "green", "blue"),
    unit="reflectance × 10 000",
    training_range=((0.0, 1.0), (0.5, 2.5), (-1.0, 0.1)),
    pixel_size=(10.0, 10.0),
    versions={"srlab": "0.1.0", "torch": "2.15.0"},
)


def weights():
    return {
        f"generator.{name}": tensor for name, tensor in SRResNet(**ARGUMENTS).state_dict().items()
    }


@pytest.fixture
def written(tmp_path):
    """Write a bundle with another generator or normaliser, by whatever JSON the card then has."""

    def write(tensors=None, **changed):
        path = tmp_path / "model.safetensors"
        save_file(
            weights() if tensors is None else tensors,
            path,
            {"srlab": json.dumps({**asdict(CARD), **changed})},
        )
        return path

    return write


class Payload:
    """Unpickled, it creates a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.fixture
def marker(tmp_path, monkeypatch):
    """Stands for harm: it exists once anything of a file has been run."""
    path = tmp_path / "marker"
    monkeypatch.setattr(os, "system", lambda *_: path.mkdir())
    monkeypatch.setattr(torch, "load", guarded(torch.load, path))
    return path


def guarded(load, marker):
    def call(*arguments, **keywords):
        if keywords.get("weights_only") is not True:
            marker.mkdir()
        return load(*arguments, **keywords)

    return call


def refusal(path):
    """The message by which a file is refused: of one line, not too long, and naming the file."""
    with pytest.raises(ValueError, match=re.escape(str(path))) as caught:
        srlab.load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 1000
    return message


def test_payload_would_run_if_it_were_unpickled(tmp_path):
    pickle.loads(pickle.dumps(Payload(tmp_path / "marker")))
    assert (tmp_path / "marker").is_dir()


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt", ".pt", ""])
def test_pickle_under_any_name_is_not_run(tmp_path, marker, suffix):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(pickle.dumps(Payload(marker), protocol=2))
    message = refusal(path)
    assert "is not a checkpoint of a run" in message or "is not a bundle" in message
    assert not marker.exists()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("key", ["state_dict", "srlab", "callbacks"])
def test_checkpoint_with_a_payload_is_not_run(tmp_path, marker, key, zipped):
    path = tmp_path / "last.ckpt"
    content = {"state_dict": weights(), "srlab": CARD.to_json(), key: Payload(marker)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    assert "it carries code, which is never run" in refusal(path)
    assert not marker.exists()


TARGETS = [
    "os.system",
    "builtins.exec",
    "exec",
    "torch.nn.Linear",
    "srlab.models.bundle.torch.load",
    "srlab.prediction.inference.np.load",
    "srlab.generators.rrdb.nn.Sequential",
    "srlab.generators.rrdb.RRDB",
    "srlab.generators.torch.load",
    "srlab.generators.rrdb",
    "srlab.models.super_resolver.SuperResolver",
    "srlab.losses.L1",
    "srlab.discriminators.SRGAN",
    "srlab.normalisers.Identity",
    "srlab.generators.Generator",
    "srlab.generators.__init__",
    "srlab.generators.__all__",
    "srlab.generators.",
    "srlab.generators",
    "SRResNet",
    ".SRResNet",
    "srlab.generators.SRResNet ",
    "srlab.generators.SRResNet\n",
    "",
    None,
    5,
    True,
    [],
    ["srlab.generators.SRResNet"],
    {"_target_": "srlab.generators.SRResNet"},
]


@pytest.mark.parametrize("target", TARGETS, ids=repr)
def test_only_an_exported_generator_may_be_named(written, marker, target):
    message = refusal(written(generator={**SRRESNET, "_target_": target}))
    assert (
        f"the model card names {target!r}, which is not a class of srlab.generators, and was not run"
        in message
    )
    assert not marker.exists()


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "srlab.generators.SRResNet",
        "srlab.normalisers.Normaliser",
        "srlab.models.bundle.build",
        "",
        None,
    ],
)
def test_only_an_exported_normaliser_may_be_named(written, marker, target):
    message = refusal(written(normaliser={"_target_": target}))
    assert (
        f"the model card names {target!r}, which is not a class of srlab.normalisers, and was not run"
        in message
    )
    assert not marker.exists()


def test_a_foreign_class_that_is_exported_is_still_foreign(written, monkeypatch):
    monkeypatch.setattr(srlab.generators, "Sequential", torch.nn.Sequential, raising=False)
    monkeypatch.setattr(srlab.generators, "__all__", [*srlab.generators.__all__, "Sequential"])
    message = refusal(written(generator={"_target_": "srlab.generators.Sequential"}))
    assert (
        "names 'srlab.generators.Sequential', which is not a class of srlab.generators" in message
    )


NESTED = {"_target_": "os.system", "command": "true"}


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ({"skip": NESTED}, "the argument 'skip' is nested"),
        ({"skip": {}}, "the argument 'skip' is nested"),
        ({"scale": [2, NESTED]}, "the argument 'scale' is nested"),
        ({"scale": [2, [[[NESTED]]]]}, "the argument 'scale' is nested"),
        ({"skip": "os.system"}, "the argument 'skip' is 'os.system'; only plain words are allowed"),
        (
            {"skip": "/etc/passwd"},
            "the argument 'skip' is '/etc/passwd'; only plain words are allowed",
        ),
        ({"skip": "..\\model"}, "only plain words are allowed"),
        ({"skip": "cubic\n"}, "only plain words are allowed"),
        ({"skip": "${oc.env:HOME}"}, "only plain words are allowed"),
        ({"scale": [2, "a.b"]}, "the argument 'scale' is 'a.b'; only plain words are allowed"),
        (
            {"_recursive_": False},
            "there is an argument '_recursive_'; names with a leading underscore",
        ),
        ({"_partial_": True}, "there is an argument '_partial_'; names with a leading underscore"),
        ({"__class__": 1}, "there is an argument '__class__'; names with a leading underscore"),
        ({"weights": "x"}, "unexpected keyword argument 'weights'"),
    ],
    ids=str,
)
def test_arguments_are_plain_values(written, marker, argument, reason):
    message = refusal(written(generator={**SRRESNET, **argument}))
    assert "the model card's arguments do not fit srlab.generators.SRResNet" in message
    assert reason in message
    assert not marker.exists()


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ({"channels": 10**9}, "'channels' is 1000000000; no network is that large"),
        ({"blocks": 10**12}, "'blocks' is 1000000000000; no network is that large"),
        (
            {"scale": [2, 10**15 + 37]},
            "'scale' is [2, 1000000000000037]; no network is that large",
        ),  # a prime
        ({"scale": -(10**30)}, "no network is that large"),
        ({"channels": 300_000}, "its tensors are not those of the model it names"),
        (
            {"in_channels": 900_000, "channels": 900_000},
            "its tensors are not those of the model it names",
        ),
        ({"blocks": 900_000}, "the network has more tensors than the file"),
        ({"scale": 65_536}, "the network has more tensors than the file"),
        ({"channels": -3}, "a convolution from 3 to -3 channels; there must be 1 at least"),
        ({"scale": -2}, "got -2 for 2 spatial axes"),
        ({"scale": [2] * 1000}, "got [2, 2, 2, 2, "),
        ({"scale": [[2], 2]}, "for 2 spatial axes"),
        ({"spatial_dims": 7}, "for 7 spatial axes"),
        ({"spatial_dims": 3, "scale": 2}, "its tensors are not those of the model it names"),
        ({"channels": 4.5}, "do not fit"),
        ({"channels": None}, "do not fit"),
        ({"channels": "four"}, "do not fit"),
        ({"channels": [4]}, "do not fit"),
        ({"blocks": float("inf")}, "do not fit"),
        ({"skip": "x" * 10_000}, "skip is 'xxx"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_hostile_sizes_are_refused_before_memory_is_taken(written, argument, reason):
    assert reason in refusal(written(generator={**SRRESNET, **argument}))


@pytest.mark.parametrize(
    ("maximum", "reason"),
    [
        (
            [1.0] * 1_000_001,
            "the argument 'maximum' has 1000001 entries; at most 1000000 are allowed",
        ),
        ([1.0, 2.0], "its tensors are not those of the model it names"),
        ([[1.0, 2.0], [3.0]], "do not fit srlab.normalisers.MinMax"),
        (10**400, "do not fit srlab.normalisers.MinMax"),
        ("many", "do not fit srlab.normalisers.MinMax"),
        (None, "do not fit srlab.normalisers.MinMax"),
        (float("nan"), "the maximum must be larger"),
        (-1, "the maximum must be larger"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_hostile_statistics_are_refused(written, maximum, reason):
    statistics = {"normaliser.minimum": torch.zeros(1), "normaliser.maximum": torch.ones(1)}
    recipe = {"_target_": "srlab.normalisers.MinMax", "minimum": 0, "maximum": maximum}
    assert reason in refusal(written({**weights(), **statistics}, normaliser=recipe))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda tensors: tensors.pop("generator.tail.weight"), 'Missing key(s) in state_dict: "tail.weight"'),
        (lambda tensors: tensors.clear(), "more tensors than the file, which has 0"),
        (lambda tensors: tensors.update({"generator.extra": torch.ones(1)}), 'Unexpected key(s) in state_dict: "extra'),
        (lambda tensors: tensors.update({"normaliser.extra": torch.ones(1)}), '"normaliser.extra"'),
        (lambda tensors: tensors.update({"stranger": torch.ones(1)}), '"stranger"'),
        (lambda tensors: tensors.update({"generator.tail.bias": torch.ones(4)}), "size mismatch for tail.bias"),
        (lambda tensors: tensors.update({"generator.tail.bias": torch.ones(3).long()}), '"tail.bias"'),
    ],
)  # fmt: skip
def test_tensors_must_be_those_of_the_network(written, change, reason):
    tensors = weights()
    change(tensors)
    assert reason in refusal(written(tensors))


@pytest.mark.parametrize("scale", [(4, 4), (2, 3), (2, 2, 2)], ids=str)
def test_card_and_generator_must_agree_on_the_scale(written, scale):
    changes = {"scale": scale, "pixel_size": [1.0] * len(scale)}
    assert f"its card says scale {scale} and its generator (2, 2)" in refusal(written(**changes))


@pytest.mark.parametrize("field", list(asdict(CARD)))
def test_card_must_be_complete(tmp_path, field):
    path = tmp_path / "model.safetensors"
    values = {name: value for name, value in asdict(CARD).items() if name != field}
    save_file(weights(), path, {"srlab": json.dumps(values)})
    assert f"the model card cannot be read: it lacks {field}." in refusal(path)


@pytest.mark.parametrize(
    "text", ["", "{nope", "[]", "5", "null", "true", '"card"', "[" * 100_000, '{"a":' * 100_000, "9" * 5000, "NaN"],
    ids=lambda text: text[:9],
)  # fmt: skip
def test_card_must_be_a_json_object(tmp_path, text):
    path = tmp_path / "model.safetensors"
    save_file(weights(), path, {"srlab": text})
    assert "the model card cannot be read: " in refusal(path)


@pytest.mark.parametrize(
    "changed",
    [
        {"generator": 5},
        {"generator": [1]},
        {"normaliser": "srlab.normalisers.Identity"},
        {"scale": 2},
        {"scale": []},
        {"scale": [2]},
        {"scale": [2, 2, 2, 2]},
        {"scale": [0, 2]},
        {"scale": [float("inf"), 2]},
        {"scale": [None, 2]},
        {"bands": [None]},
        {"bands": 3},
        {"channels": []},
        {"channels": ["red"]},
        {"training_range": [[0, 1]]},
        {"training_range": [[0, 1], [0, 1], [0]]},
        {"training_range": [[0, 1], [0, 1], [0, float("nan")]]},
        {"training_range": 5},
        {"pixel_size": [10.0]},
        {"pixel_size": [10.0, -10.0]},
        {"pixel_size": [float("inf"), 10.0]},
        {"pixel_size": {"a": 1}},
        {"versions": 5},
    ],
    ids=str,
)
def test_card_of_the_wrong_shape_is_refused(written, changed):
    message = refusal(written(**changed))
    assert "is damaged: the model card cannot be read: " in message
    assert message.endswith("Give a model.safetensors or a .ckpt of a run.")


def test_tensors_without_a_card_are_no_bundle(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file(weights(), path)
    message = refusal(path)
    assert message.endswith("it has tensors but no model card. Give a model.safetensors of a run.")


@pytest.mark.parametrize("name", ["model.safetensors", "last.ckpt"])
@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"\x89PNG\r\n", (2**60).to_bytes(8, "little") + b"{}", bytes(range(256)), b"PK\3\4" * 9],
    ids=["empty", "zero", "picture", "huge header", "noise", "zip"],
)  # fmt: skip
def test_any_other_file_is_refused(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    message = refusal(path)
    assert "is not a " in message
    assert message.endswith("of a run.")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a bundle and of a checkpoint, by suffix."""
    folder = tmp_path_factory.mktemp("whole")
    save_file(weights(), folder / "a.safetensors", {"srlab": CARD.to_json()})
    torch.save({"state_dict": weights(), "srlab": CARD.to_json()}, folder / "a.ckpt")
    return {path.suffix: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt"])
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(share=st.floats(0, 1, exclude_max=True))
def test_truncated_file_is_refused(tmp_path, whole, suffix, share):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(whole[suffix][: int(share * len(whole[suffix]))])
    refusal(path)


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt"])
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(position=st.integers(0, 4000), byte=st.integers(0, 255))
def test_a_flipped_byte_loads_or_is_refused_but_never_crashes(
    tmp_path, whole, suffix, position, byte
):
    content = bytearray(whole[suffix])
    content[position] = byte
    path = tmp_path / f"model{suffix}"
    path.write_bytes(content)
    message = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, of another pickle protocol
        try:
            model = srlab.load(path)
        except ValueError as error:
            message = str(error)
    if message is None:
        assert model(torch.zeros(1, 3, 2, 2)).shape == (1, 3, 4, 4)
    else:
        assert str(path) in message


@pytest.mark.parametrize(
    "content",
    [
        5,
        [weights()],
        {},
        {"state_dict": weights()},
        {"srlab": CARD.to_json()},
        {"srlab": None, "state_dict": weights()},
        {"srlab": asdict(CARD), "state_dict": weights()},
        {"srlab": CARD.to_json().encode(), "state_dict": weights()},
        {"srlab": CARD.to_json(), "state_dict": 5},
        {"srlab": CARD.to_json(), "state_dict": [1]},
        {"srlab": CARD.to_json(), "state_dict": {1: 2}},
    ],
    ids=lambda content: str(type(content)),
)
def test_checkpoint_of_something_else_is_refused(tmp_path, content):
    path = tmp_path / "last.ckpt"
    torch.save(content, path)
    assert (
        "is not a checkpoint of a run: it has no model card, or no weights. Give a .ckpt"
        in refusal(path)
    )
    with pytest.raises(ValueError, match=re.escape("it has no model card, or no weights")):
        load_checkpoint(path)


@pytest.mark.parametrize("value", [5, None, "weights", [1.0]])
def test_checkpoint_weights_must_be_tensors(tmp_path, value):
    path = tmp_path / "last.ckpt"
    state = {**weights(), "generator.tail.bias": value}
    torch.save({"srlab": CARD.to_json(), "state_dict": state}, path)
    assert "its tensors are not those of the model it names" in refusal(path)


@pytest.mark.parametrize(
    "name", ["model.safetensors", "last.ckpt", "folder", "nowhere/model.safetensors"]
)
def test_missing_file_or_folder_says_what_to_give(tmp_path, name):
    (tmp_path / "folder").mkdir()
    message = (
        f"there is no model at {tmp_path / name}; give a model.safetensors or a .ckpt of a run."
    )
    with pytest.raises(FileNotFoundError, match=re.escape(message)):
        srlab.load(tmp_path / name)


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
"""


@pytest.fixture
def foreign(written, tmp_path, monkeypatch):
    """A bundle whose generator is of another package, with a dotted argument."""
    (tmp_path / "theirs_of_the_tests.py").write_text(FOREIGN)
    monkeypatch.syspath_prepend(tmp_path)
    note = {"path": str(tmp_path / "imported.here")}
    recipe = {"_target_": "theirs_of_the_tests.Twice", "in_channels": 3, "note": note}
    yield written({"generator.gain": torch.tensor([3.0])}, generator=recipe)
    sys.modules.pop("theirs_of_the_tests", None)


def test_foreign_class_runs_only_with_trust(foreign, tmp_path):
    assert "names 'theirs_of_the_tests.Twice', which is not a class of srlab.generators" in refusal(
        foreign
    )
    assert "theirs_of_the_tests" not in sys.modules
    assert not (tmp_path / "imported.here").exists()

    model = srlab.load(foreign, trust=True)
    assert (tmp_path / "imported.here").exists()
    expected = torch.full((1, 3, 4, 6), 6.0)
    assert torch.equal(model(torch.full((1, 3, 2, 3), 2.0)), expected)


@pytest.mark.parametrize(
    "target", ["not_installed_anywhere.Thing", "srlab.generators.Missing", "Thing", "", 5]
)
def test_trust_needs_the_package_that_defines_the_class(written, target):
    path = written(generator={**SRRESNET, "_target_": target})
    with pytest.raises(
        ValueError, match=re.escape(f"{str(target)!r}, which cannot be imported here")
    ):
        srlab.load(path, trust=True)


def test_card_and_tensors_survive_the_disk(tmp_path):
    path = tmp_path / "model.safetensors"
    tensors = {
        "a.transposed": torch.arange(6.0).view(2, 3).T,
        "b.count": torch.tensor(2**40),
        "c": torch.tensor(torch.pi),
    }
    write_bundle(path, tensors=tensors, card=CARD)
    read, card = read_bundle(path)
    assert card == CARD
    assert read.keys() == tensors.keys()
    assert all(
        torch.equal(read[name], tensor) and read[name].dtype == tensor.dtype
        for name, tensor in tensors.items()
    )


@pytest.mark.parametrize(
    "change",
    [
        {"scale": (1, 4, 4), "pixel_size": None},
        {"scale": (3, 1, 1), "pixel_size": (3.0, 0.1, 1e-7)},
        {"bands": ("B04", 2), "unit": "Ω — “arbitrary”", "channels": ("a b", "ç", "")},
    ],
    ids=str,
)
def test_json_restores_the_card(change):
    card = replace(CARD, **change)
    assert ModelCard.from_json(card.to_json()) == card
    assert card.spatial_dims == len(card.scale)


@pytest.mark.parametrize("broken", ["os.replace", "pathlib.Path.write_bytes"])
def test_failed_write_leaves_the_earlier_bundle(tmp_path, monkeypatch, broken):
    path = tmp_path / "model.safetensors"
    write_bundle(path, tensors={"weight": torch.zeros(1000)}, card=CARD)
    before = path.read_bytes()

    def fail(target, *_):
        if broken.endswith("write_bytes"):
            with open(target, "wb") as file:
                file.write(b"half of a bund")
        raise OSError("No space left on device")

    monkeypatch.setattr(broken, fail)
    with pytest.raises(OSError, match="No space left on device"):
        write_bundle(path, tensors={"weight": torch.ones(1000)}, card=CARD)
    monkeypatch.undo()
    assert path.read_bytes() == before

    write_bundle(path, tensors={"weight": torch.ones(1000)}, card=CARD)
    assert torch.equal(read_bundle(path)[0]["weight"], torch.ones(1000))
    assert list(tmp_path.iterdir()) == [path]
