import re

import pytest
import torch
from networks import randomised
from torch.nn import functional as F

from srlab.generators import Stochastic


def leaky(x):
    return torch.maximum(x, 0.2 * x)


def shuffle(x, factor):
    """Of a volume, slice by slice."""
    return (
        F.pixel_shuffle(x, factor)
        if x.ndim == 4
        else F.pixel_shuffle(x.movedim(2, 1), factor).movedim(1, 2)
    )


def reference(x, noise, state, *, blocks, factors, residual_scale):
    """Karras et al. 2019, fig. 1: a style from the noise, which scales and shifts the features of every block."""

    def conv(name, x):
        convolve = F.conv2d if x.ndim == 4 else F.conv3d
        return convolve(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=1)

    def modulated(name, x):
        parts = (state[f"{name}.modulation.weight"] @ style).unflatten(0, (2, -1))
        gain, shift = (
            part.movedim(0, -1).reshape(*x.shape[:2], *[1] * (x.ndim - 2)) for part in parts
        )
        inner = leaky((1 + gain) * conv(f"{name}.first", x) + shift)
        return x + residual_scale * conv(f"{name}.second", inner)

    style = leaky(state["mapping.2.weight"] @ leaky(state["mapping.0.weight"] @ noise.T))
    shallow = deep = conv("head", x)
    for i in range(blocks):
        deep = modulated(f"trunk.{i}", deep)
    x = shallow + conv("last", deep)
    for stage, factor in enumerate(factors):
        x = shuffle(conv(f"upsampler.{3 * stage}", x), factor)
    return conv("tail", x)


SCALES = [
    pytest.param((1, 1), [], id="x1"),
    pytest.param((2, 2), [2], id="x2"),
    pytest.param((3, 3), [3], id="x3"),
    pytest.param((4, 4), [2, 2], id="x4"),
    pytest.param((1, 1, 1), [], id="volume-x1"),
    pytest.param((1, 4, 4), [2, 2], id="video-x4"),
]


def network(scale, **arguments):
    size = {"in_channels": 3, "out_channels": 2, "channels": 6, "blocks": 2, "noise_channels": 5}
    return randomised(Stochastic(scale=scale, spatial_dims=len(scale), **size, **arguments))


def lr_and_noise(scale, batch=2):
    random = torch.Generator().manual_seed(2)
    size = (4, 6, 5)[-len(scale) :]
    lr = torch.randn(batch, 3, *size, generator=random, dtype=torch.float64)
    return lr, torch.randn(batch, 5, generator=random, dtype=torch.float64)


def close(actual, expected):
    torch.testing.assert_close(actual, expected, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("residual_scale", [1.0, 0.1])
@pytest.mark.parametrize(("scale", "factors"), SCALES)
def test_forward_matches_plain_convolutions_and_matrices(scale, factors, residual_scale):
    stochastic, (lr, noise) = network(scale, residual_scale=residual_scale), lr_and_noise(scale)
    options = {"blocks": 2, "factors": factors, "residual_scale": residual_scale}
    close(stochastic(lr, noise), reference(lr, noise, stochastic.state_dict(), **options))


def test_residual_scale_is_one_unless_given():
    stochastic, (lr, noise) = network((2, 2)), lr_and_noise((2, 2))
    options = {"blocks": 2, "factors": [2], "residual_scale": 1.0}
    close(stochastic(lr, noise), reference(lr, noise, stochastic.state_dict(), **options))


@pytest.mark.parametrize(("scale", "factors"), SCALES)
def test_without_noise_it_is_a_plain_residual_network(scale, factors):
    stochastic, (lr, noise) = network(scale), lr_and_noise(scale)
    plain = {
        name: torch.zeros_like(tensor) if "modulation" in name else tensor
        for name, tensor in stochastic.state_dict().items()
    }
    expected = reference(lr, noise, plain, blocks=2, factors=factors, residual_scale=1.0)
    close(stochastic(lr), expected)
    assert (stochastic(lr, noise) - expected).abs().max() > 0.1 * expected.std()


@pytest.mark.parametrize("scale", [(2, 2), (1, 2, 2)], ids=str)
def test_zero_noise_equals_no_noise(scale):
    stochastic, (lr, noise) = network(scale), lr_and_noise(scale)
    assert torch.equal(stochastic(lr, torch.zeros_like(noise)), stochastic(lr))


@pytest.mark.parametrize("scale", [(2, 2), (1, 2, 2)], ids=str)
def test_noise_touches_only_its_image(scale):
    stochastic, (lr, noise) = network(scale), lr_and_noise(scale)
    lr = lr[:1].expand_as(lr)
    together = stochastic(lr, noise)
    for i in range(2):
        close(together[i : i + 1], stochastic(lr[i : i + 1], noise[i : i + 1]))
    assert (together[0] - together[1]).abs().max() > 0.1 * together.std()


@pytest.mark.parametrize("shape", [(5,), (1, 5), (2, 4), (2, 5, 1)], ids=str)
def test_noise_of_another_shape_is_refused(shape):
    stochastic, (lr, _) = network((2, 2)), lr_and_noise((2, 2))
    message = f"noise has the shape {shape}; give 5 numbers for each of the 2 images."
    with pytest.raises(ValueError, match=re.escape(message)):
        stochastic(lr, torch.zeros(shape, dtype=torch.float64))
