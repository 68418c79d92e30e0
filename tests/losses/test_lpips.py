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
        parameter.copy_(
            torch.rand(parameter.shape)
            if parameter.shape[0] == 1
            else 0.1 * torch.randn(parameter.shape)
        )
    linear = torch.load(f"{lpips.__path__[0]}/weights/v0.1/{net}.pth", map_location="cpu")
    module.load_state_dict(linear, strict=False)
    return module.eval()


@pytest.fixture(scope="module", params=LEAST)
def pair(request, tmp_path_factory):
    """The package's module, and a path of its features' weights as torchvision names them."""
    module = library(request.param)
    path = tmp_path_factory.mktemp("weights") / "features.pth"
    torch.save(
        {f"features.{n.partition('.')[2]}": t for n, t in module.net.state_dict().items()}, path
    )
    return request.param, module, str(path)


def test_distance_equals_the_packages(pair):
    net, module, path = pair
    sr, hr = (2 * random(3, 3, 40, 37, seed=seed).float() - 1 for seed in (0, 1))
    expected = module(sr, hr).flatten()
    assert expected.abs().min() > 1e-4
    torch.testing.assert_close(
        LearnedDistance(net=net, weights=path)(sr, hr), expected, rtol=1e-4, atol=1e-7
    )


def test_loss_is_the_packages_mean_over_images_in_minus_one_to_one(pair):
    net, module, path = pair
    sr, hr = random(2, 4, 33, 32).float(), random(2, 4, 33, 32, seed=1).float()
    term = LPIPS(net=net, weights=path, channels=[[3, 2, 1], [4]], low=100, high=600)
    a, b = (2 * x - 1 for x in (sr, hr))
    both = [module(a[:, bands], b[:, bands]).mean() for bands in ([2, 1, 0], [3, 3, 3])]
    got = value(term, sr, hr, denormalise=lambda image: 100 + 500 * image)
    torch.testing.assert_close(got, torch.stack(both).mean(), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("net", LEAST)
def test_smallest_image_is_named(net):
    distance, least = LearnedDistance(net=net, weights="random"), LEAST[net]
    assert (
        distance(torch.zeros(1, 3, least, least), torch.ones(1, 3, least, least)).isfinite().all()
    )
    message = (
        f"LPIPS with net={net} needs images of at least {least} pixels a side, and these have ({least}, {least - 1}); "
        "use larger crops (data.crop_size) or another net."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        distance(torch.zeros(1, 3, least, least - 1), torch.zeros(1, 3, least, least - 1))
    with pytest.raises(RuntimeError):
        distance.lpips(*[torch.zeros(1, 3, least - 1, least - 1)] * 2)


@pytest.mark.parametrize("net", LEAST)
def test_random_network_still_measures_a_distance(net):
    distance = LearnedDistance(net=net, weights="random")
    sr, hr = (2 * random(4, 3, 32, 32, seed=seed).float() - 1 for seed in (0, 1))
    assert (distance(sr, hr) > 0).all()
    assert not distance(sr, sr).any()
    torch.testing.assert_close(distance(sr, hr), distance(hr, sr))


@pytest.mark.parametrize("net", LEAST)
def test_building_is_silent_and_leaves_the_global_seed_alone(net, capsys):
    torch.manual_seed(7)
    with warnings.catch_warnings(action="error"):
        first = LearnedDistance(net=net, weights="random")
    assert capsys.readouterr() == ("", "")
    assert torch.equal(torch.rand(3), torch.rand(3, generator=torch.Generator().manual_seed(7)))
    second = LearnedDistance(net=net, weights="random").state_dict()
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.state_dict().items())


def test_gradient_is_the_derivative():
    term = LPIPS(net="squeeze", weights="random", channels=[1]).double()
    sr, hr = random(1, 1, 17, 18).requires_grad_(), random(1, 1, 17, 18, seed=1)
    assert torch.autograd.gradcheck(lambda image: value(term, image, hr), sr, fast_mode=True)


def test_finite_at_extremes():
    assert_finite_at_extremes(LPIPS(net="squeeze", weights="random"), 1, 3, 17, 18)


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


def test_network_is_frozen_and_in_no_checkpoint():
    term = LPIPS(net="squeeze", weights="random").train()
    assert not term.state_dict()
    assert not list(term.parameters())
    sr, hr = random(1, 3, 17, 17).requires_grad_(), random(1, 3, 17, 17, seed=1).requires_grad_()
    result = term(sr, hr, context())
    result.backward()
    assert result == term(sr, hr, context())  # no dropout
    assert result.dtype == torch.float64
    assert sr.grad.any()
    assert hr.grad is None


def test_volumes_are_refused_with_the_way_to_take_them():
    with pytest.raises(ValueError, match=re.escape("wrap the term in srlab.losses.Slices")):
        value(
            LPIPS(net="squeeze", weights="random"),
            random(1, 3, 17, 17, 17),
            random(1, 3, 17, 17, 17),
        )


def test_unknown_net_is_refused():
    with pytest.raises(
        ValueError, match=re.escape("net is 'vgg16'; it must be one of alex, vgg, squeeze.")
    ):
        LPIPS(net="vgg16", weights="random")


def test_failed_download_names_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def cut_off(request):
        raise OSError("no route")

    monkeypatch.setattr(torch.hub, "urlopen", cut_off)
    message = "squeezenet1_1-b8a52dc0.pth could not be downloaded (no route); fetch https://download.pytorch.org/models/"
    with pytest.raises(ValueError, match=re.escape(message)):
        LPIPS(net="squeeze")
