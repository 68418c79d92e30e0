"""Files of weights: what is found in them, and what is refused without being run."""

import os
import re

import pytest
import torch
from published import compact, compact_state, saved
from safetensors.torch import save_file

from srlab.models.pretrained.weights import load_weights


@pytest.mark.parametrize("suffix", ["pth", "pt", "ckpt", "safetensors"])
def test_formats_and_prefixes(tmp_path, suffix):
    for prefix in ["", "module."]:
        state = {prefix + name: tensor for name, tensor in compact_state().items()}
        path = tmp_path / f"published.{suffix}"
        save_file(state, path) if suffix == "safetensors" else torch.save(state, path)
        generator = compact()
        load_weights(generator, path)
        assert torch.equal(generator.head[0].weight, state[f"{prefix}body.0.weight"])


@pytest.mark.parametrize(
    ("keys", "taken"),
    [
        (["params", "params_ema"], "params_ema"),
        (["state_dict", "params"], "params"),
        (["model", "state_dict"], "state_dict"),
        (["optimizer", "model"], "model"),
    ],
)
def test_averaged_weights_are_preferred(tmp_path, keys, taken):
    given = {"iter": 5}
    for n, key in enumerate(keys):
        given[key] = {name: tensor + n for name, tensor in compact_state().items()}
    generator = compact()
    load_weights(generator, saved(tmp_path, given))
    assert torch.equal(generator.tail[0].bias, given[taken]["body.8.bias"])


class Payload:
    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


@pytest.mark.parametrize(
    ("suffix", "match"), [("pth", "exact"), ("pt", "partial"), ("ckpt", "inflate")]
)
def test_code_in_a_file_is_refused_and_not_run(tmp_path, suffix, match):
    content = {"params": compact_state(), "more": Payload(tmp_path / "ran")}
    path = saved(tmp_path, content, f"bad.{suffix}")
    generator = compact()
    before = generator.tail[0].weight.clone()
    message = r"carries more than tensors.*nothing in it was run: it calls \w+\.mkdir"
    with pytest.raises(ValueError, match=message):
        load_weights(generator, path, match=match)
    assert not (tmp_path / "ran").exists()
    assert torch.equal(generator.tail[0].weight, before)
    torch.load(path, weights_only=False)
    assert (tmp_path / "ran").exists()


NO_ARRAY = "has a tensor a that is no plain array of real numbers."


@pytest.mark.filterwarnings("ignore:Validating sparse tensor invariants")
def test_files_without_usable_tensors_are_refused(tmp_path):
    cases = [
        ([1, 2], "at its top level or under params_ema, params, state_dict, model; it has list."),
        ({"params": {}, "iter": 3}, "model; it has params, iter."),
        ({"a": torch.zeros(2, dtype=torch.complex64)}, NO_ARRAY),
        ({"a": torch.zeros(2, device="meta")}, NO_ARRAY),
        ({"a": torch.eye(2).to_sparse()}, NO_ARRAY),
        ({"x": torch.zeros(2)}, "holds tensors of an unknown network, whose weights do not fit"),
    ]
    for content, message in cases:
        with pytest.raises(ValueError, match=re.escape(message)) as caught:
            load_weights(compact(), saved(tmp_path, content))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["damaged.pth", "damaged.safetensors", "damaged.ckpt"])
def test_damaged_file_is_refused_by_one_line(tmp_path, name):
    (tmp_path / name).write_bytes(b"neither\nnor" * 50)
    with pytest.raises(ValueError, match="damaged") as caught:
        load_weights(compact(), tmp_path / name)
    assert "\n" not in str(caught.value)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="there are no weights at"):
        load_weights(compact(), tmp_path / "missing.pth")
