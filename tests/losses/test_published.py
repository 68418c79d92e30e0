import io
import re
import socket
from email.message import Message
from urllib.request import ProxyHandler, build_opener
from urllib.response import addinfourl

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from srlab.losses import published

NAMES = {"weight": "features.0.weight", "bias": "features.0.bias"}


def network(seed=0):
    """VGG19's first layer."""
    torch.manual_seed(seed)
    return nn.Conv2d(3, 64, 3)


def filled(weights, into=None):
    into = into or network(seed=1)
    published.fill(into, NAMES, weights=str(weights), published="VGG19_Weights.IMAGENET1K_V1")
    return into


def state():
    return {theirs: network().state_dict()[ours] for ours, theirs in NAMES.items()}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path / "hub" / "checkpoints"


@pytest.mark.parametrize(("save", "suffix"), [(torch.save, "pth"), (save_file, "safetensors")])
def test_weights_come_from_a_file(save, suffix, tmp_path):
    save(state(), tmp_path / f"vgg19.{suffix}")
    assert torch.equal(filled(tmp_path / f"vgg19.{suffix}").weight, network().weight)


def test_random_weights_are_the_same_every_time_and_leave_the_global_seed_alone():
    first, second = network(seed=1), network(seed=2)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    assert torch.equal(filled("random", first).weight, filled("random", second).weight)
    assert torch.equal(torch.rand(3), expected)
    assert not second.bias.any()


def test_random_weights_keep_the_size_of_features():
    layers = nn.Sequential(*(nn.Conv2d(64, 64, 3, padding=1) for _ in range(6)))
    published.fill(layers, {}, weights="random", published="")
    image = torch.rand(1, 64, 16, 16, generator=torch.Generator().manual_seed(0))
    first = after = torch.relu(layers[0](image))
    for layer in layers[1:]:
        after = torch.relu(layer(after))
    assert 0.3 < after.std() / first.std() < 3


def test_pretrained_weights_come_from_torchs_cache(cache):
    cache.mkdir(parents=True)
    torch.save(state(), cache / "vgg19-dcbb9e9d.pth")
    assert torch.equal(filled("pretrained").weight, network().weight)


def test_damaged_file_in_the_cache_is_named(cache):
    cache.mkdir(parents=True)
    path = cache / "vgg19-dcbb9e9d.pth"
    path.write_bytes(b"half a file")
    message = f"{path} carries more than tensors, or it is damaged, and"
    with pytest.raises(ValueError, match=re.escape(message)):
        filled("pretrained")


def cut_off(request):
    raise OSError("Connection\nreset")


def ends_early(request):
    return addinfourl(io.BytesIO(b"half"), Message(), request.full_url)


@pytest.mark.parametrize("answer", [cut_off, ends_early])
def test_failed_download_says_how_to_get_the_file_and_leaves_none(
    cache, answer, monkeypatch, capsys
):
    monkeypatch.setattr(torch.hub, "urlopen", answer)
    advice = (
        "; fetch https://download.pytorch.org/models/vgg19-dcbb9e9d.pth elsewhere and set the "
        f"term's weights=PATH or put it into {cache}, or set weights=random."
    )
    with pytest.raises(ValueError, match=re.escape(advice)) as caught:
        filled("pretrained")
    assert str(caught.value).startswith("vgg19-dcbb9e9d.pth could not be downloaded (")
    assert "\n" not in str(caught.value)
    assert not list(cache.iterdir())
    assert not capsys.readouterr().err  # no bar of the download outside a terminal


def test_download_does_not_wait_without_end(cache, monkeypatch):
    silent = socket.create_server(("127.0.0.1", 0))
    here = f"http://127.0.0.1:{silent.getsockname()[1]}"
    opener = build_opener(ProxyHandler({}))
    monkeypatch.setattr(torch.hub, "urlopen", lambda request: opener.open(here))
    monkeypatch.setattr(published, "PATIENCE", 0.2)
    with silent, pytest.raises(ValueError, match=re.escape("could not be downloaded (timed out)")):
        filled("pretrained")
    assert socket.getdefaulttimeout() is None


def test_missing_file_is_named(tmp_path):
    path = tmp_path / "x.pth"
    message = f"there are no weights at {path}; weights is pretrained, random, or the path of a"
    with pytest.raises(FileNotFoundError, match=re.escape(message)):
        filled(path)


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
        message = f"{path} carries more than tensors, or it is damaged, and"
        with pytest.raises(ValueError, match=re.escape(message)):
            filled(path)
    assert "run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "content",
    [{"features.0.weight": torch.zeros(64, 1, 3, 3)}, {"features.0.bias": 1}, [1]],
    ids=["shape", "kind", "list"],
)
def test_another_networks_file_is_refused(content, tmp_path):
    path = tmp_path / "other.pth"
    torch.save(content, path)
    message = (
        f"{path} does not hold the weights of torchvision's VGG19: 2 of 2 tensors are missing or "
        "of another shape, for example features.0.weight; give its state dict."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        filled(path)
