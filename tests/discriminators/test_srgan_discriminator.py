from itertools import pairwise

import torch
from torch.nn import functional as F

from srlab.discriminators import SRGANDiscriminator

# Ledig et al. 2017, fig. 4: k3n64s1, k3n64s2, k3n128s1, … k3n512s2
WIDTHS = (64, 64, 128, 128, 256, 256, 512, 512)
STRIDES = (1, 2, 1, 2, 1, 2, 1, 2)


def test_features_have_the_papers_widths_and_strides():
    with torch.device("meta"):
        judgement = SRGANDiscriminator(in_channels=3).eval()(torch.rand(1, 3, 96, 96))
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


def leaky(x):
    return torch.maximum(x, 0.2 * x)


def normalised(x, state, name):
    mean, var, scale, shift = (
        state[f"{name}.{key}"][:, None, None]
        for key in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / (var + 1e-5).sqrt() * scale + shift


def test_forward_matches_plain_convolutions():
    torch.manual_seed(0)
    network = SRGANDiscriminator(in_channels=3, channels=2, dense_channels=4).double().eval()
    for tensor in (*network.parameters(), *network.buffers()):
        if tensor.is_floating_point():
            tensor.data.uniform_(0.2, 0.6)
            tensor.data.mul_(1 if tensor.ndim < 2 else torch.randn_like(tensor))
    state = network.state_dict()
    image = x = torch.randn(2, 3, 96, 96, dtype=torch.float64)
    features = []
    for i, stride in enumerate(STRIDES):
        x = F.conv2d(x, state[f"stages.{i}.0.weight"], state.get(f"stages.{i}.0.bias"), stride, 1)
        if i > 0:
            x = normalised(x, state, f"stages.{i}.1")
        x = leaky(x)
        features.append(x)
    # crops of 96 leave 6×6 cells, so that nothing is pooled and the network is the paper's
    hidden = leaky(x.flatten(1) @ state["classifier.2.weight"].T + state["classifier.2.bias"])
    logit = hidden @ state["classifier.4.weight"].T + state["classifier.4.bias"]
    judgement = network(image)
    torch.testing.assert_close(judgement.features, tuple(features))
    torch.testing.assert_close(judgement.logits, (logit,))
