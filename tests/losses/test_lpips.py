import re
import warnings

import lpips
import pytest
import torch
from term_checks import assert_finite_at_extremes, context, random, value

from srlab.losses.lpips import LPIPS, LearnedDistance

LEAST = {"alex": 31, "vgg": 16, "squeeze": 17}


def library(net):
    """The package's own module, with its linear layers and random features, quickly."""
    torch.manual_seed(2)
    if net == "squeeze":
        with warnings.catch_warnings(action="ignore"):
            return lpips.LPIPS(net=net, pnet_rand=True, verbose=False).requires_grad_(False)
    with torch.device("meta"), warnings.catch_warnings(action="ignore"):
        module = lpips.LPIPS(net=net, pretrained=False, pnet_rand=True, verbose=False)
    module.to_empty(device="cpu").scaling_layer = lpips.ScalingLayer()
    for parameter in module.requires_grad_(False).parameters():
        parameter.copy_(0.1 * torch.randn(parameter.shape))
    linear = torch.load(f"{lpips.__path__[0]}/weights/v0.1/{net}.pth", map_location="cpu")
    module.load_state_dict(linear, strict=False)
    return module.eval()


@pytest.fixture(scope="module", params=LEAST)
def pair(request, tmp_path_factory):
    """The package's module, and a path of its features' weights as torchvision names them."""
    module = library(request.param)
    path = tmp_path_factory.mktemp("weights") / "features.pth"
    features = module.net.state_dict().items()
    torch.save({f"features.{name.partition('.')[2]}": tensor for name, tensor in features}, path)
    return request.param, module, str(path)


@pytest.fixture(scope="module")
def squeeze():
    return LPIPS(net="squeeze", weights="random")


def test_loss_is_the_packages_mean_over_images_in_minus_one_to_one(pair):
    net, module, path = pair
    sr, hr = random(2, 4, 33, 32).float(), random(2, 4, 33, 32, seed=1).float()
    term = LPIPS(net=net, weights=path, channels=[[3, 2, 1], [4]], low=100, high=600)
    expected = []
    for bands in ([2, 1, 0], [3, 3, 3]):
        expected.append(module(2 * sr[:, bands] - 1, 2 * hr[:, bands] - 1))
    assert torch.cat(expected).abs().min() > 1e-4
    got = value(term, sr, hr, denormalise=lambda image: 100 + 500 * image)
    torch.testing.assert_close(got, torch.cat(expected).mean(), rtol=1e-4, atol=1e-7)


def test_building_is_silent_repeatable_and_leaves_the_global_seed_alone(squeeze, capsys):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    with warnings.catch_warnings(action="error"):
        other = LearnedDistance(net="squeeze", weights="random").state_dict()
    assert capsys.readouterr() == ("", "")
    assert torch.equal(torch.rand(3), expected)
    for name, tensor in squeeze.distance.network.state_dict().items():
        assert torch.equal(tensor, other[name])


@pytest.mark.parametrize("net", LEAST)
def test_random_network_measures_distances_of_images_that_are_large_enough(net):
    distance, least = LearnedDistance(net=net, weights="random"), LEAST[net]
    sr, hr = (2 * random(2, 3, least, least, seed=seed).float() - 1 for seed in (0, 1))
    found = distance(sr, hr)
    assert found.shape == (2,)
    assert (found > 0).all()
    assert not distance(sr, sr).any()
    torch.testing.assert_close(found, distance(hr, sr))
    message = (
        f"LPIPS with net={net} needs images of at least {least} pixels a side, and these have "
        f"({least}, {least - 1}); use larger crops (data.crop_size) or another net."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        distance(sr[..., 1:], hr[..., 1:])
    with pytest.raises(RuntimeError):
        distance.lpips(sr[..., 1:, 1:], hr[..., 1:, 1:])


def test_gradient_is_the_derivative():
    term = LPIPS(net="squeeze", weights="random", channels=[1]).double()
    sr, hr = random(1, 1, 17, 18).requires_grad_(), random(1, 1, 17, 18, seed=1)
    assert torch.autograd.gradcheck(lambda image: value(term, image, hr), sr, fast_mode=True)


def test_finite_at_extremes(squeeze):
    assert_finite_at_extremes(squeeze, 3, 17, 18)


@pytest.mark.parametrize(("size", "bias"), [(1.0, -1e4), (1e-5, 0.0), (1e-25, 0.0)])
def test_vanishing_features_have_a_bounded_gradient(size, bias):
    distance = LearnedDistance(net="squeeze", weights="random").requires_grad_(False)
    first = distance.lpips.net.slice1[0]
    first.weight.mul_(size)
    first.bias.fill_(bias)
    sr, hr = random(1, 3, 17, 17).float().requires_grad_(), random(1, 3, 17, 17, seed=1).float()
    result = distance(sr, hr).sum()
    result.backward()
    assert result.isfinite()
    assert (sr.grad.abs() < 10).all()


def test_network_is_frozen_and_in_no_checkpoint(squeeze):
    term = squeeze.train()
    assert not term.state_dict()
    assert not list(term.parameters())
    sr, hr = random(1, 3, 17, 17).requires_grad_(), random(1, 3, 17, 17, seed=1).requires_grad_()
    result = term(sr, hr, context())
    result.backward()
    assert result == term(sr, hr, context())  # no dropout
    assert result.dtype == torch.float64
    assert sr.grad.any()
    assert hr.grad is None


def test_volumes_are_refused_with_the_way_to_take_them(squeeze):
    volume = random(1, 3, 17, 17, 17)
    with pytest.raises(ValueError, match=re.escape("wrap the term in srlab.losses.Slices")):
        value(squeeze, volume, volume)


def test_unknown_net_is_refused():
    message = "net is 'vgg16'; it must be one of alex, vgg, squeeze."
    with pytest.raises(ValueError, match=re.escape(message)):
        LPIPS(net="vgg16", weights="random")


def test_pretrained_weights_are_torchvisions_file(tmp_path, monkeypatch):
    def cut_off(request):
        raise OSError("no route")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "urlopen", cut_off)
    with pytest.raises(ValueError, match=re.escape("squeezenet1_1-b8a52dc0.pth could not be")):
        LPIPS(net="squeeze")
