import re
from itertools import pairwise

import pytest
import torch
from torch.nn import functional as F

from srlab.discriminators import Judgement, SRGANDiscriminator

# Ledig et al. 2017, fig. 4: k3n64s1, k3n64s2, k3n128s1, … k3n512s2
WIDTHS = (64, 64, 128, 128, 256, 256, 512, 512)
STRIDES = (1, 2, 1, 2, 1, 2, 1, 2)
CROPS = [(16, 16), (17, 31), (33, 16), (40, 25), (16, 17, 19)]


def tiny(in_channels=3, spatial_dims=2, **arguments):
    torch.manual_seed(0)
    sizes = {"channels": 2, "pooled_size": 2, "dense_channels": 4} | arguments
    return SRGANDiscriminator(in_channels=in_channels, spatial_dims=spatial_dims, **sizes)


def test_features_have_the_papers_widths_and_strides():
    network = SRGANDiscriminator(in_channels=3, dense_channels=1)
    with torch.no_grad():
        judgement = network.eval()(torch.rand(1, 3, 96, 96))
    sides, side = [], 96
    for stride in STRIDES:
        side //= stride
        sides.append(side)
    assert sides[-1] == 6  # what the paper's dense layer sees
    expected = [(1, width, side, side) for width, side in zip(WIDTHS, sides, strict=True)]
    assert [tuple(feature.shape) for feature in judgement.features] == expected


def test_size_is_the_papers():
    """A bias where no batch norm follows; dense layers of 1024 and 1 on 6×6 cells."""
    with torch.device("meta"):
        network = SRGANDiscriminator(in_channels=3)
    first = 3 * 64 * 9 + 64
    others = sum(9 * a * b + 2 * b for a, b in pairwise(WIDTHS))
    dense = 512 * 6 * 6 * 1024 + 1024 + 1024 + 1
    assert sum(parameter.numel() for parameter in network.parameters()) == first + others + dense


def test_forward_matches_plain_convolutions():
    network = tiny(pooled_size=6).double().eval()
    for tensor in (*network.parameters(), *network.buffers()):
        if tensor.is_floating_point():
            tensor.data.uniform_(0.2, 0.6)
            tensor.data.mul_(1 if tensor.ndim < 2 else torch.randn_like(tensor))
    state = network.state_dict()

    def leaky(x):
        return torch.maximum(x, 0.2 * x)

    image = x = torch.randn(2, 3, 96, 96, dtype=torch.float64)
    features = []
    for i, stride in enumerate(STRIDES):
        x = F.conv2d(x, state[f"stages.{i}.0.weight"], state.get(f"stages.{i}.0.bias"), stride, 1)
        if i > 0:
            mean, var, scale, shift = (
                state[f"stages.{i}.1.{key}"][:, None, None]
                for key in ("running_mean", "running_var", "weight", "bias")
            )
            x = (x - mean) / (var + 1e-5).sqrt() * scale + shift
        x = leaky(x)
        features.append(x)
    # crops of 96 leave 6×6 cells, so that nothing is pooled and the network is the paper's
    hidden = leaky(x.flatten(1) @ state["classifier.2.weight"].T + state["classifier.2.bias"])
    logit = hidden @ state["classifier.4.weight"].T + state["classifier.4.bias"]

    judgement = network(image)
    torch.testing.assert_close(judgement.features, tuple(features))
    torch.testing.assert_close(judgement.logits, (logit,))


@pytest.mark.parametrize("in_channels", [1, 3, 13])
@pytest.mark.parametrize("crop", CROPS, ids=str)
def test_any_crop_gives_one_logit_an_image_and_eight_features(crop, in_channels):
    judgement = tiny(in_channels, len(crop))(torch.rand(2, in_channels, *crop))
    assert isinstance(judgement, Judgement)
    assert isinstance(judgement.logits, tuple)
    assert [tuple(logit.shape) for logit in judgement.logits] == [(2, 1)]
    assert isinstance(judgement.features, tuple)
    assert len(judgement.features) == 8
    # a padded 3-tap convolution of stride 2 rounds a side up
    assert judgement.features[-1].shape == (2, 16, *(-(-side // 16) for side in crop))


def test_logit_is_not_squashed():
    network = tiny().eval()
    with torch.no_grad():
        network.classifier[-1].bias.fill_(-7.0)
        assert network(torch.zeros(1, 3, 16, 16)).logits[0].item() < -1.0


@pytest.mark.parametrize("crop", [(15, 16), (16, 15), (16, 16, 8)], ids=str)
def test_too_small_a_crop_is_refused(crop):
    message = f"got crops of {crop} pixels; every side must be at least 16"
    with pytest.raises(ValueError, match=re.escape(message)):
        tiny(spatial_dims=len(crop))(torch.zeros(2, 3, *crop))


@pytest.mark.parametrize("crop", CROPS, ids=str)
def test_gradients_of_the_logit_reach_every_parameter_and_the_image(crop):
    network = tiny(spatial_dims=len(crop))
    image = torch.rand(3, 3, *crop, requires_grad=True)
    F.softplus(network(image).logits[0]).mean().backward()
    assert [
        name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()
    ] == []
    assert image.grad.any()


def test_one_step_tells_real_from_fake_better():
    network = tiny()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    images = torch.cat((torch.rand(4, 3, 20, 20), torch.full((4, 3, 20, 20), 0.5)))
    labels = torch.tensor([[1.0]] * 4 + [[0.0]] * 4)
    before = F.binary_cross_entropy_with_logits(network(images).logits[0], labels)
    before.backward()
    optimiser.step()
    assert F.binary_cross_entropy_with_logits(network(images).logits[0], labels) < before
