import re

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

from srlab.losses.vgg import LAYERS, PerceptualVGG, VGGFeatures

SEVERAL = ["conv5_4", "relu1_1", "conv2_2", "relu2_2", "pool3", "relu4_1"]
SHALLOW = ["conv1_2"]
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


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
    state = torchvisions.state_dict().items()
    save_file({f"features.{name}": tensor for name, tensor in state}, path)
    return str(path)


def hooked(network, image):
    """The output of each layer, before the next one writes over it."""
    seen, until_last_pooling = [], network[:-1]
    hooks = []
    for layer in until_last_pooling:
        hooks.append(layer.register_forward_hook(lambda *call: seen.append(call[2].clone())))
    until_last_pooling(image)
    for hook in hooks:
        hook.remove()
    return seen


def standardised(image):
    return (image - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1)


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
    a, b = (hooked(torchvisions, standardised(image / 255)) for image in (sr, hr))
    for distance, error in (("l1", F.l1_loss), ("l2", F.mse_loss)):
        expected = 0.5 * error(a[8], b[8]) + 2 * error(a[10], b[10])
        layers = {"layers": ["conv3_1", "relu2_2"], "layer_weights": [2.0, 0.5]}
        term = PerceptualVGG(**layers, weights=file, distance=distance)
        torch.testing.assert_close(value(term, sr, hr, data_range=255.0), expected)


def test_default_is_the_one_layer_of_esrgan(torchvisions, file):
    sr, hr = random(1, 1, 16, 16).float(), random(1, 1, 16, 16, seed=1).float()
    a, b = (hooked(torchvisions, standardised(image))[34] for image in (sr, hr))
    torch.testing.assert_close(value(PerceptualVGG(weights=file), sr, hr), (a - b).abs().mean())


def test_bands_and_range_are_chosen_as_in_a_changed_image():
    sr, hr = random(1, 4, 6, 6).float(), random(1, 4, 6, 6, seed=1).float()
    plain = PerceptualVGG(layers=SHALLOW, weights="random")
    lists = [[4, 2, 1], [3]]
    expected = [value(plain, sr[:, chosen], hr[:, chosen]) for chosen in ([3, 1, 0], [2, 2, 2])]
    term = PerceptualVGG(layers=SHALLOW, weights="random", channels=lists, low=-1, high=4)
    got = value(term, sr, hr, denormalise=lambda image: 5 * image - 1)
    torch.testing.assert_close(got, torch.stack(expected).mean(), rtol=1e-4, atol=1e-6)


def test_nothing_is_built_beyond_the_last_layer():
    stages = VGGFeatures(layers=["relu2_1", "conv1_1"], weights="random").stages
    assert list(stages) == list(LAYERS[:7])


def test_building_leaves_the_global_seed_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    VGGFeatures(layers=SHALLOW, weights="random")
    assert torch.equal(torch.rand(3), expected)


def test_smallest_image_is_named():
    for layer, least in [("conv5_4", 16), ("pool1", 2), ("conv1_1", 1)]:
        features = VGGFeatures(layers=[layer], weights="random")
        assert features(torch.zeros(1, 3, least, least))[layer].numel()
        message = (
            f"VGG19's {layer} needs images of at least {least} pixels a side, and these have "
            f"({least}, {least - 1}); use larger crops (data.crop_size) or layers before it."
        )
        with pytest.raises(ValueError, match=re.escape(message)):
            features(torch.zeros(1, 3, least, least - 1))


def test_volumes_are_refused_with_the_way_to_take_them():
    term, volume = PerceptualVGG(layers=SHALLOW, weights="random"), random(1, 3, 4, 4, 4)
    with pytest.raises(ValueError, match=re.escape("wrap the term in srlab.losses.Slices")):
        value(term, volume, volume)


def test_unknown_layers_are_refused():
    for layers in [["conv6_1"], ["conv5_5", "conv1_1"], []]:
        message = f"VGG19's layers were to be {layers}; choose some of conv1_1, relu1_1,"
        with pytest.raises(ValueError, match=re.escape(message)):
            PerceptualVGG(layers=layers, weights="random")


def test_gradient_is_the_derivative():
    term = PerceptualVGG(layers=["conv2_1", "relu1_1"], weights="random", channels=[1]).double()
    assert_gradient_is_derivative(term, 1, 1, 4, 5)


def test_finite_at_extremes():
    assert_finite_at_extremes(PerceptualVGG(layers=["relu2_1"], weights="random"), 3, 4, 6)


def test_network_is_in_no_checkpoint_and_moves_along():
    term = PerceptualVGG(layers=SHALLOW, weights="random")
    assert not term.state_dict()
    assert not list(term.parameters())
    sr, hr = random(1, 3, 4, 4).requires_grad_(), random(1, 3, 4, 4, seed=1).requires_grad_()
    assert term.double()(sr, hr, context()).dtype == torch.float64
    term(sr, hr, context()).backward()
    assert hr.grad is None
    network = term.perceptual.extractor.network
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float64}
