import io
import re
import socket
from email.message import Message
from urllib.request import ProxyHandler, build_opener
from urllib.response import addinfourl

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from term_checks import (
    assert_finite_at_extremes,
    assert_gradient_is_derivative,
    context,
    random,
    value,
)
from torchvision.models import vgg

from srlab.losses import published
from srlab.losses.vgg import LAYERS, PerceptualVGG, VGGFeatures

SEVERAL = ["conv5_4", "relu1_1", "conv2_2", "relu2_2", "pool3", "relu4_1"]
SHALLOW = ["conv1_2"]


@pytest.fixture(scope="module")
def torchvisions():
    torch.manual_seed(3)
    layers = vgg.make_layers(vgg.cfgs["E"]).eval().requires_grad_(False)
    for weight in layers.parameters():
        if weight.ndim == 4:
            torch.nn.init.kaiming_normal_(weight)  # so that images still differ in the last layers
    return layers


@pytest.fixture(scope="module")
def file(torchvisions, tmp_path_factory):
    """Its weights, under the names of the whole network's state dict."""
    path = tmp_path_factory.mktemp("weights") / "vgg (1).safetensors"
    save_file(
        {f"features.{name}": tensor for name, tensor in torchvisions.state_dict().items()}, path
    )
    return str(path)


def hooked(network, image):
    """What each layer returns, before the next one writes over it."""
    seen, until_last_pooling = [], network[:-1]
    hooks = [
        layer.register_forward_hook(lambda *call: seen.append(call[2].clone()))
        for layer in until_last_pooling
    ]
    until_last_pooling(image)
    for hook in hooks:
        hook.remove()
    return seen


def test_layers_are_torchvisions_in_their_order(torchvisions):
    kinds = {"conv": torch.nn.Conv2d, "relu": torch.nn.ReLU, "pool": torch.nn.MaxPool2d}
    assert [kinds[name[:4]] for name in LAYERS] == [type(layer) for layer in torchvisions]
    assert LAYERS.index("conv5_4") == 34  # as in ESRGAN's code, features[:35]
    assert LAYERS.index("relu2_2") == 8


def test_features_equal_torchvisions(torchvisions, file):
    image = torch.randn(2, 3, 33, 18, generator=torch.Generator().manual_seed(0))
    seen = hooked(torchvisions, image)
    found = VGGFeatures(layers=SEVERAL, weights=file)(image.clone())
    assert list(found) == sorted(SEVERAL, key=LAYERS.index)
    for name, feature in found.items():
        torch.testing.assert_close(feature, seen[LAYERS.index(name)])


def test_loss_is_the_weighted_error_of_standardised_images(torchvisions, file):
    sr, hr = (255 * random(1, 3, 16, 17, seed=seed).float() for seed in (0, 1))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    a, b = (
        hooked(torchvisions, (x / 255 - mean.view(3, 1, 1)) / std.view(3, 1, 1)) for x in (sr, hr)
    )
    for distance, error in (("l1", F.l1_loss), ("l2", F.mse_loss)):
        expected = 0.5 * error(a[8], b[8]) + 2 * error(a[10], b[10])
        term = PerceptualVGG(
            layers=["conv3_1", "relu2_2"], layer_weights=[2.0, 0.5], weights=file, distance=distance
        )
        torch.testing.assert_close(value(term, sr, hr, data_range=255.0), expected)


def test_default_is_the_one_layer_of_esrgan(torchvisions, file):
    sr, hr = random(1, 1, 16, 16).float(), random(1, 1, 16, 16, seed=1).float()
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    a, b = (
        hooked(torchvisions, (x - mean.view(3, 1, 1)) / std.view(3, 1, 1))[34] for x in (sr, hr)
    )
    term = PerceptualVGG(weights=file)
    torch.testing.assert_close(value(term, sr, hr), (a - b).abs().mean())


def test_bands_and_range_are_chosen_as_in_a_changed_image():
    sr, hr = random(1, 4, 6, 6).float(), random(1, 4, 6, 6, seed=1).float()
    plain = PerceptualVGG(layers=SHALLOW, weights="random")
    lists = [[4, 2, 1], [3]]
    expected = [value(plain, sr[:, chosen], hr[:, chosen]) for chosen in ([3, 1, 0], [2, 2, 2])]
    term = PerceptualVGG(layers=SHALLOW, weights="random", channels=lists, low=-1, high=4)
    got = value(term, sr, hr, denormalise=lambda image: 5 * image - 1)
    torch.testing.assert_close(got, torch.stack(expected).mean(), rtol=1e-4, atol=1e-6)


def test_nothing_is_built_beyond_the_last_layer():
    assert list(VGGFeatures(layers=["relu2_1", "conv1_1"], weights="random").stages) == list(
        LAYERS[:7]
    )


def test_pickled_and_safe_files_give_the_same(torchvisions, file, tmp_path):
    path = tmp_path / "vgg19.pth"
    torch.save(
        {f"features.{name}": tensor for name, tensor in torchvisions[:5].state_dict().items()}, path
    )
    image = torch.rand(1, 3, 4, 4)
    first, second = (
        VGGFeatures(layers=["conv1_2"], weights=str(name))(image)["conv1_2"]
        for name in (path, file)
    )
    assert torch.equal(first, second)


def test_random_weights_are_the_same_every_time_and_leave_the_global_seed_alone():
    torch.manual_seed(7)
    first, second = (
        VGGFeatures(layers=["conv2_1"], weights="random").stages.state_dict() for _ in range(2)
    )
    assert torch.equal(torch.rand(3), torch.rand(3, generator=torch.Generator().manual_seed(7)))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_random_weights_keep_the_size_of_features():
    found = VGGFeatures(layers=["conv1_2", "conv4_1"], weights="random")(torch.randn(1, 3, 32, 32))
    spreads = [feature.std() for feature in found.values()]
    assert 0.3 < spreads[1] / spreads[0] < 3


@pytest.mark.parametrize(
    ("layer", "least"), [("conv5_4", 16), ("relu4_1", 8), ("pool1", 2), ("conv1_1", 1)]
)
def test_smallest_image_is_named(layer, least):
    features = VGGFeatures(layers=[layer], weights="random")
    assert features(torch.zeros(1, 3, least, least))[layer].numel()
    message = (
        f"VGG19's {layer} needs images of at least {least} pixels a side, and these have ({least}, {least - 1}); use "
        "larger crops (data.crop_size) or layers before it."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        features(torch.zeros(1, 3, least, least - 1))


def test_volumes_are_refused_with_the_way_to_take_them():
    term = PerceptualVGG(layers=SHALLOW, weights="random")
    with pytest.raises(ValueError, match=re.escape("wrap the term in srlab.losses.Slices")):
        value(term, random(1, 3, 4, 4, 4), random(1, 3, 4, 4, 4))


@pytest.mark.parametrize("layers", [["conv6_1"], ["conv5_5", "conv1_1"], []])
def test_unknown_layers_are_refused(layers):
    message = f"VGG19's layers were to be {layers}; choose some of conv1_1, relu1_1,"
    with pytest.raises(ValueError, match=re.escape(message)):
        PerceptualVGG(layers=layers, weights="random")


def test_gradient_is_the_derivative():
    term = PerceptualVGG(layers=["conv2_1", "relu1_1"], weights="random", channels=[1]).double()
    assert_gradient_is_derivative(term, 1, 1, 4, 5)


def test_finite_at_extremes():
    assert_finite_at_extremes(PerceptualVGG(layers=["relu2_1"], weights="random"), 1, 3, 4, 6)


def test_network_is_in_no_checkpoint_and_moves_along():
    term = PerceptualVGG(layers=SHALLOW, weights="random")
    assert not term.state_dict()
    assert not list(term.parameters())
    sr, hr = random(1, 3, 4, 4).requires_grad_(), random(1, 3, 4, 4, seed=1).requires_grad_()
    assert term.double()(sr, hr, context()).dtype == torch.float64
    term(sr, hr, context()).backward()
    assert hr.grad is None
    assert {tensor.dtype for tensor in term.perceptual.extractor.network.state_dict().values()} == {
        torch.float64
    }


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path / "hub" / "checkpoints"


def test_pretrained_weights_come_from_torchs_cache(cache, torchvisions):
    cache.mkdir(parents=True)
    state = {f"features.{name}": tensor for name, tensor in torchvisions[:3].state_dict().items()}
    torch.save(state, cache / "vgg19-dcbb9e9d.pth")
    got = VGGFeatures(layers=["conv1_2"]).stages.state_dict()
    assert torch.equal(got["conv1_2.weight"], torchvisions[2].weight)


def test_damaged_file_in_the_cache_is_named(cache):
    cache.mkdir(parents=True)
    path = cache / "vgg19-dcbb9e9d.pth"
    path.write_bytes(b"half a file")
    with pytest.raises(
        ValueError, match=re.escape(f"{path} carries more than tensors, or it is damaged, and")
    ):
        VGGFeatures(layers=["conv1_1"])


def cut_off(request):
    raise OSError("Connection\nreset")


def ends_early(request):
    return addinfourl(io.BytesIO(b"half"), Message(), request.full_url)


@pytest.mark.parametrize("answer", [cut_off, ends_early])
def test_failed_download_says_how_to_get_the_file_and_leaves_none(cache, answer, monkeypatch):
    monkeypatch.setattr(torch.hub, "urlopen", answer)
    advice = (
        "; fetch https://download.pytorch.org/models/vgg19-dcbb9e9d.pth elsewhere and set the term's weights=PATH or "
        f"put it into {cache}, or do without by weights=random."
    )
    with pytest.raises(ValueError, match=re.escape(advice)) as caught:
        VGGFeatures(layers=["conv1_1"])
    assert str(caught.value).startswith("vgg19-dcbb9e9d.pth could not be downloaded (")
    assert "\n" not in str(caught.value)
    assert not list(cache.iterdir())


def test_download_does_not_wait_without_end(cache, monkeypatch):
    silent = socket.create_server(("127.0.0.1", 0))
    here = f"http://127.0.0.1:{silent.getsockname()[1]}"
    monkeypatch.setattr(
        torch.hub, "urlopen", lambda request: build_opener(ProxyHandler({})).open(here)
    )
    monkeypatch.setattr(published, "PATIENCE", 0.2)
    with silent, pytest.raises(ValueError, match=re.escape("could not be downloaded (timed out)")):
        VGGFeatures(layers=["conv1_1"])
    assert socket.getdefaulttimeout() is None


def test_missing_file_is_named(tmp_path):
    message = f"there are no weights at {tmp_path / 'x.pth'}; weights is pretrained, random, or the path of a"
    with pytest.raises(FileNotFoundError, match=re.escape(message)):
        VGGFeatures(layers=["conv1_1"], weights=str(tmp_path / "x.pth"))


class Code:
    """Something that a pickle could run."""

    def __reduce__(self):
        return print, ("run",)


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_damaged_file_or_code_in_it_is_refused_and_not_run(suffix, tmp_path, capsys):
    damaged, malicious = tmp_path / f"damaged.{suffix}", tmp_path / f"malicious.{suffix}"
    damaged.write_bytes(b"half a file")
    torch.save({"features.0.weight": Code()}, malicious)
    for path in (damaged, malicious):
        with pytest.raises(
            ValueError, match=re.escape(f"{path} carries more than tensors, or it is damaged, and")
        ):
            VGGFeatures(layers=["conv1_1"], weights=str(path))
    assert "run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "content", [{"features.0.weight": torch.zeros(64, 1, 3, 3)}, {"features.0.bias": 1}, [1]]
)
def test_another_networks_file_is_refused(content, tmp_path):
    path = tmp_path / "other.pth"
    torch.save(content, path)
    message = f"{path} does not hold the weights of torchvision's VGG19: 2 of 2 tensors are missing or of another shape"
    with pytest.raises(ValueError, match=re.escape(message)):
        VGGFeatures(layers=["conv1_1"], weights=str(path))
