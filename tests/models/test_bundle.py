"""What a stranger's file can do: nothing but be a model, or be refused by one line."""

import hashlib
import json
import os
import pickle
import re
import warnings

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_examples import ARGUMENTS, OLD, card, fields_of, image, refusal, weights
from safetensors.torch import save_file

import srlab
from srlab.generators import SRResNet
from srlab.mistakes import Mistake
from srlab.models.bundle import file_hash, load_checkpoint, read_bundle, write_bundle


class Payload:
    """Unpickled, it creates a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def test_payload_would_run_if_it_were_unpickled(tmp_path):
    pickle.loads(pickle.dumps(Payload(tmp_path / "marker")))
    assert (tmp_path / "marker").is_dir()


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt", ".pt", ""])
def test_pickle_under_any_name_is_not_run(tmp_path, suffix):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(pickle.dumps(Payload(tmp_path / "marker"), protocol=2))
    message = refusal(path)
    told = ("is not a checkpoint of a run", "is not a safetensors file", "nothing in it was run")
    assert any(part in message for part in told)
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("key", ["state_dict", "srlab", "callbacks"])
def test_checkpoint_with_a_payload_is_not_run(tmp_path, key):
    for zipped in [True, False]:
        path = tmp_path / "last.ckpt"
        payload = {key: Payload(tmp_path / "marker")}
        content = {"state_dict": weights(), "srlab": card().to_json()} | payload
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
        assert "or contains code, which is never run" in refusal(path)
        assert not (tmp_path / "marker").exists()


def test_tensors_without_a_card_are_no_bundle(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file(weights(), path)
    assert "model.safetensors has no model card, and its tensors are not of a" in refusal(path)
    with pytest.raises(Mistake, match="it has tensors but no model card"):
        read_bundle(path)


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt"])
@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"scale": [2]}, "the model card cannot be read: its scale is (2,);"),
        ({"format": 3}, "it was made by a newer srlab"),
    ],
)
def test_card_that_cannot_be_read_is_told_with_the_file(tmp_path, suffix, changed, reason):
    path = tmp_path / f"model{suffix}"
    text = json.dumps(fields_of(card()) | changed)
    if suffix == ".ckpt":
        torch.save({"state_dict": weights(), "srlab": text}, path)
    else:
        save_file(weights(), path, {"srlab": text})
    assert f"{path} cannot be opened: {reason}" in refusal(path)


NOISE = [b"", b"\0", b"\x89PNG\r\n", (2**60).to_bytes(8, "little") + b"{}", bytes(range(256))]


@pytest.mark.parametrize("name", ["model.safetensors", "last.ckpt"])
def test_any_other_file_is_refused(tmp_path, name):
    for content in [*NOISE, b"PK\3\4" * 9]:
        path = tmp_path / name
        path.write_bytes(content)
        message = refusal(path)
        assert "is not a " in message
        assert message.endswith("of a run.")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a bundle and of a checkpoint, by suffix."""
    folder = tmp_path_factory.mktemp("whole")
    save_file(weights(), folder / "a.safetensors", {"srlab": card().to_json()})
    torch.save({"state_dict": weights(), "srlab": card().to_json()}, folder / "a.ckpt")
    return {path.suffix: path.read_bytes() for path in folder.iterdir()}


examples = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt"])
@examples
@given(share=st.floats(0, 1, exclude_max=True))
def test_truncated_file_is_refused(tmp_path, whole, suffix, share):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(whole[suffix][: int(share * len(whole[suffix]))])
    refusal(path)


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt"])
@examples
@given(position=st.integers(0, 4000), byte=st.integers(0, 255))
def test_a_flipped_byte_loads_or_is_refused_but_never_crashes(
    tmp_path, whole, suffix, position, byte
):
    content = bytearray(whole[suffix])
    content[position] = byte
    path = tmp_path / f"model{suffix}"
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, of another pickle protocol
        try:
            model = srlab.load(path)
        except ValueError:
            refusal(path)
            return
    assert model(torch.zeros(1, 3, 2, 2)).shape == (1, 3, 4, 4)


TEXT = card().to_json()


def test_checkpoint_of_something_else_is_refused(tmp_path):
    cases = [
        *[5, [weights()], {}, {"state_dict": weights()}, {"srlab": TEXT}],
        *[{"srlab": given, "state_dict": weights()} for given in (None, {}, TEXT.encode())],
        *[{"srlab": TEXT, "state_dict": state} for state in (5, [1], {1: 2})],
    ]
    for content in cases:
        path = tmp_path / "last.ckpt"
        torch.save(content, path)
        reason = "is not a checkpoint of a run: it has no model card, or no weights. Give a .ckpt"
        assert reason in refusal(path)
        with pytest.raises(ValueError, match=re.escape(reason)):
            load_checkpoint(path)


def test_checkpoint_weights_must_be_tensors(tmp_path):
    for value in [5, None, "weights", [1.0]]:
        path = tmp_path / "last.ckpt"
        state = weights() | {"generator.tail.bias": value}
        torch.save({"srlab": TEXT, "state_dict": state}, path)
        assert "its tensors are not those of the model it names" in refusal(path)


@pytest.mark.parametrize("name", ["model.safetensors", "last.ckpt", "folder", "no/where.ckpt"])
def test_missing_file_or_folder_says_what_to_give(tmp_path, name):
    (tmp_path / "folder").mkdir()
    message = f"there is no model at {tmp_path / name}; give a model.safetensors or a .ckpt of a"
    with pytest.raises(FileNotFoundError, match=re.escape(message)):
        srlab.load(tmp_path / name)


def test_a_runs_folder_is_answered_with_its_model(tmp_path):
    (tmp_path / "model.safetensors").touch()
    assert f"give its model, {tmp_path / 'model.safetensors'}" in refusal(tmp_path)


def test_card_and_tensors_survive_the_disk(tmp_path):
    path = tmp_path / "model.safetensors"
    tensors = {
        "a.transposed": torch.arange(6.0).view(2, 3).T,
        "b.count": torch.tensor(2**40),
        "c": torch.tensor(torch.pi),
    }
    write_bundle(path, tensors=tensors, card=card())
    read, its_card = read_bundle(path)
    assert its_card == card()
    assert read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(read[name], tensor)
        assert read[name].dtype == tensor.dtype


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt"])
def test_file_of_format_1_opens_with_its_weights(tmp_path, suffix):
    torch.manual_seed(3)
    network = SRResNet(**ARGUMENTS).eval()
    tensors = {f"generator.{name}": tensor for name, tensor in network.state_dict().items()}
    tensors |= {"normaliser.minimum": torch.zeros(1), "normaliser.maximum": torch.full((1,), 255.0)}
    path = tmp_path / f"model{suffix}"
    if suffix == ".ckpt":
        torch.save({"state_dict": tensors, "srlab": json.dumps(OLD)}, path)
    else:
        save_file(tensors, path, {"srlab": json.dumps(OLD)})
    opened = srlab.load(path)
    assert opened.card.input_names == ("R", "G", "B")
    assert all(torch.equal(opened.state_dict()[name], tensors[name]) for name in tensors)
    lr = image(4, 5)
    with torch.no_grad():
        assert torch.equal(opened.tile(lr), network(lr / 255) * 255)


@pytest.mark.parametrize("broken", ["os.replace", "pathlib.Path.write_bytes"])
def test_failed_write_leaves_the_earlier_bundle(tmp_path, monkeypatch, broken):
    path = tmp_path / "model.safetensors"
    write_bundle(path, tensors={"weight": torch.zeros(1000)}, card=card())
    before = path.read_bytes()

    def fail(target, *_):
        if broken.endswith("write_bytes"):
            with open(target, "wb") as file:
                file.write(b"half of a bund")
        raise OSError("No space left on device")

    monkeypatch.setattr(broken, fail)
    with pytest.raises(OSError, match="No space left on device"):
        write_bundle(path, tensors={"weight": torch.ones(1000)}, card=card())
    monkeypatch.undo()
    assert path.read_bytes() == before

    write_bundle(path, tensors={"weight": torch.ones(1000)}, card=card())
    assert torch.equal(read_bundle(path)[0]["weight"], torch.ones(1000))
    assert list(tmp_path.iterdir()) == [path]


def test_hash_is_sha256_of_the_bytes(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc" * 100_000)
    assert file_hash(path) == hashlib.sha256(b"abc" * 100_000).hexdigest()
