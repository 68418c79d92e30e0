"""ONNX files are models, computed by onnxruntime, or refused in one line."""

import hashlib
import pickle
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import Outcome
from model_examples import card
from PIL import Image
from torch import nn

import srlab
from srlab.generators import Compact, receptive_field
from srlab.mistakes import MissingFile, MissingPackage, Mistake
from srlab.models.bundle import file_hash
from srlab.models.super_resolver import SuperResolver
from srlab.normalisers import MinMax

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

FREE = [None, 3, "height", "width"]
WEIGHT = torch.randn(12, 3, 3, 3, generator=torch.Generator().manual_seed(0))
THRICE = ("Resize", ["", "factors"], {"mode": "nearest"})


def graph(folder, *nodes, takes=FREE, kind=onnx.TensorProto.FLOAT, metadata=(), more=()):
    """Write a chain of nodes, each an operator, its further inputs and its attributes."""
    helper, made, given = onnx.helper, [], "image"
    for number, (operator, inputs, attributes) in enumerate(nodes):
        made.append(helper.make_node(operator, [given, *inputs], [f"r{number}"], **attributes))
        given = f"r{number}"
    constants = {"factors": [1, 1, 3, 3], "halves": [1, 1, 1.5, 1.5], "large": 255}
    used = {name for _, inputs, _ in nodes for name in inputs}
    stored = [
        onnx.numpy_helper.from_array(np.float32(value), name)
        for name, value in (constants | {"weight": WEIGHT}).items()
        if name in used
    ]
    inputs = [helper.make_tensor_value_info(name, kind, takes) for name in ("image", *more)]
    result = helper.make_tensor_value_info(given, kind, None)
    body = helper.make_graph(made, "network", inputs, [result], stored)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, dict(metadata))
    onnx.save(model, folder / "network.onnx")
    return folder / "network.onnx"


def test_network_of_pictures_needs_no_card(command, tmp_path):
    graph(tmp_path, THRICE)
    pixels = np.random.default_rng(0).integers(0, 256, (9, 14, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    given = ("model=network.onnx", "input=photo.png", "output=out.png", "tile=8")
    assert command("predict", *given) == Outcome(0, "")
    made = Image.open(tmp_path / "out.png")
    np.testing.assert_array_equal(made, pixels.repeat(3, 0).repeat(3, 1))
    assert "ONNX file network.onnx" in made.text["SETTINGS"]


def test_network_of_cells_takes_any_size(tmp_path):
    cells = ("SpaceToDepth", [], {"blocksize": 2}), ("DepthToSpace", [], {"blocksize": 2})
    model = srlab.load(graph(tmp_path, *cells, THRICE))
    assert (model.generator.multiple_of, model.card.scale) == ((2, 2), (3, 3))
    lr = 255 * torch.rand(2, 3, 7, 9)
    torch.testing.assert_close(model(lr), F.interpolate(lr, scale_factor=3))


CONVOLUTION = [
    ("Conv", ["weight"], {"pads": [1, 1, 1, 1]}),
    ("DepthToSpace", [], {"blocksize": 2, "mode": "CRD"}),
]


def test_file_with_a_card_takes_its_units(tmp_path):
    described = card(training_range=((0.0, 10_000.0),) * 3)
    path = graph(tmp_path, *CONVOLUTION, metadata={"srlab": described.to_json()})
    model = srlab.load(path)
    assert model.card == described
    assert receptive_field(model.generator) == (1, 1)
    lr = 10_000 * torch.rand(2, 3, 9, 7)
    expected = F.pixel_shuffle(F.conv2d(lr, WEIGHT, padding=1), 2)
    torch.testing.assert_close(model(lr, edges="zeros"), expected, rtol=1e-5, atol=0.1)


def test_weights_beside_a_graph_are_hashed_with_it(tmp_path):
    path = graph(tmp_path, THRICE)
    alone = file_hash(path)
    (tmp_path / "network.onnx.data").write_bytes(b"weights")
    assert file_hash(path) != alone == hashlib.sha256(path.read_bytes()).hexdigest()


def test_graph_survives_copies_but_is_no_bundle(tmp_path):
    model = srlab.load(graph(tmp_path, THRICE))
    lr = torch.rand(1, 3, 6, 6)
    assert torch.equal(pickle.loads(pickle.dumps(model.generator))(lr), model.generator(lr))
    with pytest.raises(Mistake, match="cannot be saved as another file"):
        model.save(tmp_path / "model.safetensors")


class Whole(nn.Module):
    """A model from physical units to physical units, as it is exported."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, lr):
        return self.model.tile(lr)


@pytest.mark.slow
def test_exported_model_is_that_model(tmp_path):
    pytest.importorskip("onnxscript")
    network = Compact(in_channels=3, out_channels=3, scale=(2, 4), channels=4, blocks=2)
    described = card(scale=(2, 4), training_range=((0.0, 10_000.0),) * 3)
    normaliser = MinMax(minimum=[0, 10, 20], maximum=10_000.0)
    model = SuperResolver(generator=network, normaliser=normaliser, card=described).eval()
    free = ({2: "height", 3: "width"},)
    options = {"dynamo": True, "external_data": False, "verbose": False, "dynamic_shapes": free}
    path = tmp_path / "model.onnx"
    torch.onnx.export(Whole(model).eval(), (torch.rand(1, 3, 6, 5),), path, **options)
    written = onnx.load(path)
    onnx.helper.set_model_props(written, {"srlab": described.to_json()})
    onnx.save(written, path)
    opened, lr = srlab.load(path), 10_000 * torch.rand(2, 3, 9, 7)
    torch.testing.assert_close(opened(lr), model(lr), rtol=1e-5, atol=0.05)
    assert receptive_field(opened.generator) == receptive_field(model.generator)


def refusal(path):
    with pytest.raises(Mistake) as error:
        srlab.load(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    return str(error.value)


RELU = ("Relu", [], {})
LARGE = ("Mul", ["large"], {})
HALF = ("MaxPool", [], {"kernel_shape": [2, 2], "strides": [2, 2]})
ODD = ("Resize", ["", "halves"], {"mode": "nearest"})


def test_what_cannot_be_known_is_refused(tmp_path):
    cases = [
        ([THRICE], {"takes": [1, 3, 64, 64]}, "(1, 3, 64, 64) alone; export it with free sizes"),
        ([THRICE], {"takes": [4, 3, None, None]}, "(4, 3, None, None) alone"),
        ([THRICE], {"takes": [None, "bands", None, None]}, "does not tell the number of channels"),
        ([RELU], {"takes": [None, 3, None]}, "a model takes (batch, channels, height, width)"),
        ([THRICE], {"takes": [None, 4, None, None]}, "makes 4 channels of 4 in 2 dimensions"),
        ([RELU], {"kind": onnx.TensorProto.DOUBLE}, "takes a tensor(double)"),
        ([("Add", ["other"], {})], {"more": ["other"]}, "2 inputs and 1 outputs"),
        ([HALF], {}, "a model enlarges every axis by a whole number"),
        ([ODD], {}, "a model enlarges every axis by a whole number"),
        ([LARGE, THRICE], {}, "seems to take other values than pictures in 0–1"),
        (
            [THRICE],
            {"metadata": {"srlab": "{}"}},
            "cannot be opened: the model card cannot be read",
        ),
    ]
    for nodes, options, message in cases:
        assert message in refusal(graph(tmp_path, *nodes, **options))


def test_card_of_another_network_is_refused(tmp_path):
    for scale, names, message in [
        ((2, 2), ("R", "G", "B"), "its card says scale (2, 2) and its generator (3, 3)"),
        ((3, 3), ("R", "G"), "its card names 2 input channels and its graph takes 3"),
    ]:
        wrong = card(scale=scale, input_names=names, training_range=((0.0, 1.0),) * len(names))
        path = graph(tmp_path, THRICE, metadata={"srlab": wrong.to_json()})
        assert message in refusal(path)
    measured = card(scale=(3, 3), scope="scene")
    path = graph(tmp_path, THRICE, metadata={"srlab": measured.to_json()})
    assert "needs the statistics of each scene" in refusal(path)


def test_a_damaged_or_missing_file_is_refused(tmp_path):
    path = graph(tmp_path, THRICE)
    path.write_bytes(path.read_bytes()[:-40])
    assert "is not an ONNX file that onnxruntime" in refusal(path)
    with pytest.raises(MissingFile, match=r"there is no model at .*other\.onnx"):
        srlab.load(tmp_path / "other.onnx")


def test_without_onnxruntime_the_package_to_install_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingPackage, match=r"pip install 'srlab\[onnx\]'"):
        srlab.load(graph(tmp_path, THRICE))
