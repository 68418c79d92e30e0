"""Published weights are a model without a training run."""

import pickle
import sys

import numpy as np
import pytest
import torch
from conftest import Outcome
from PIL import Image
from published import RRDB_NAMES, compact_reference, compact_state, convolutions, rrdb_state, saved
from safetensors.torch import save_file

import srlab
from srlab.mistakes import MissingPackage, Mistake


@pytest.fixture
def picture(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 14, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return pixels


def enlarged(pixels, state, scale):
    """The published network's picture."""
    lr = torch.from_numpy(pixels).movedim(-1, 0)[None].double() / 255
    sr = (255 * compact_reference(lr, state, scale, 3)).round().clamp(0, 255)
    return sr[0].movedim(0, -1).byte().numpy()


@pytest.mark.parametrize("scale", [2, 4])
def test_predict_applies_a_published_file(command, tmp_path, picture, scale):
    state = compact_state(scale)
    saved(tmp_path, {"params": state}, "published.pth")
    given = ("model=published.pth", "input=photo.png", "output=out.png", "edges=zeros")
    assert command("predict", *given) == Outcome(0, "")
    made = Image.open(tmp_path / "out.png")
    difference = np.abs(np.asarray(made).astype(int) - enlarged(picture, state, scale))
    assert difference.max() <= 1  # float32 may round the other way
    assert (difference > 0).mean() < 0.01
    assert "published weights published.pth" in made.text["SETTINGS"]


def test_card_says_what_a_picture_holds(tmp_path):
    card = srlab.load(saved(tmp_path, compact_state(3))).card
    assert (card.scale, card.input_names, card.unit) == ((3, 3), ("R", "G", "B"), "8-bit value")
    assert card.training_range == ((0.0, 255.0),) * 3
    assert card.training_data == "published weights published.pth"


def test_a_model_of_published_weights_is_saved_as_a_bundle(tmp_path):
    model = srlab.load(saved(tmp_path, compact_state(2)))
    model.save(tmp_path / "model.safetensors")
    lr = 255 * torch.rand(1, 3, 8, 8)
    again = srlab.load(tmp_path / "model.safetensors")
    torch.testing.assert_close(again(lr), model(lr))
    assert again.card == model.card


def test_safetensors_without_a_card_are_published_weights(tmp_path):
    state = {name: tensor.contiguous() for name, tensor in compact_state(2).items()}
    save_file(state, tmp_path / "published.safetensors")
    assert srlab.load(tmp_path / "published.safetensors").card.scale == (2, 2)


@pytest.mark.parametrize(("bands", "scale"), [(3, 4), (12, 2), (48, 1)])
def test_rrdb_that_rearranges_its_input_enlarges_by_less(tmp_path, bands, scale):
    model = srlab.load(saved(tmp_path, rrdb_state(*RRDB_NAMES["BasicSR"], bands=bands)))
    assert model.card.scale == (scale, scale)
    assert model(torch.rand(1, 3, 8, 8)).shape == (1, 3, 8 * scale, 8 * scale)


def refusal(path):
    with pytest.raises(Mistake) as error:
        srlab.load(path)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_other_bands_than_those_of_pictures_are_refused(tmp_path):
    sizes = {"conv_first": (5, 8), "conv_last": (8, 5), "conv_hr": (8, 8), "upconv1": (8, 32)}
    blocks = {f"body.0.conv{n}": (8, 8) for n in (1, 2)}
    message = refusal(saved(tmp_path, convolutions(sizes | blocks)))
    assert "an MSRResNet of BasicSR from 5 channels to 5; only networks of pictures" in message
    assert message.endswith("Start a run from it by weights=.")


def test_a_network_that_nobody_knows_is_told_with_those_that_srlab_knows(tmp_path):
    pytest.importorskip("spandrel")
    message = refusal(saved(tmp_path, {"layer.weight": torch.rand(2, 2)}))
    assert "published.pth has no model card, and its tensors are not of a network that" in message
    assert "an SRVGGNetCompact of Real-ESRGAN" in message
    assert "no architecture that spandrel recognises" in message


def test_without_spandrel_the_package_to_install_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(MissingPackage, match=r"pip install 'srlab\[spandrel\]'"):
        srlab.load(saved(tmp_path, {"layer.weight": torch.rand(2, 2)}))


def test_what_only_spandrel_knows_is_left_to_it(tmp_path):
    architectures = pytest.importorskip("spandrel.architectures.SPAN")
    sizes = {"num_in_ch": 3, "num_out_ch": 3, "feature_channels": 8, "upscale": 2}
    network = architectures.SPAN(**sizes).eval()
    model = srlab.load(saved(tmp_path, network.state_dict()))
    lr = torch.rand(1, 3, 9, 8)
    with torch.no_grad():
        torch.testing.assert_close(
            model(255 * lr, edges="zeros") / 255, network(lr), rtol=0, atol=1e-4
        )


class Harmful:
    def __reduce__(self):
        return (print, ("this ran",))


def test_code_in_a_file_is_not_run(tmp_path, capsys):
    path = tmp_path / "published.pth"
    path.write_bytes(pickle.dumps({"params": Harmful()}))
    assert "carries more than tensors, or it is damaged, and nothing in it" in refusal(path)
    torch.save({"params": Harmful()}, path)
    assert "nothing in it was run" in refusal(path)
    assert "this ran" not in capsys.readouterr().out


@pytest.mark.parametrize("lost", ["body.0.weight", "body.8.weight", "body.3.weight"])
def test_a_file_that_lacks_tensors_is_refused_in_one_line(tmp_path, monkeypatch, lost):
    state = compact_state(2)
    del state[lost]
    assert "published.pth" in refusal(saved(tmp_path, state))


def test_real_file_gives_the_answer_of_spandrel(shared_data):
    spandrel = pytest.importorskip("spandrel")
    path = shared_data("weights/realesr-animevideov3.pth")
    network = spandrel.ModelLoader(device="cpu").load_from_file(path)
    lr = torch.rand(1, 3, 12, 10)
    with torch.no_grad():
        torch.testing.assert_close(
            srlab.load(path)(255 * lr, edges="zeros") / 255, network.model(lr), rtol=0, atol=1e-5
        )
