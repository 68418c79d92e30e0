import re

import pytest
import torch
from networks import close, convolution, randomised
from torch.nn import functional as F

from srlab.generators import Stochastic


def leaky(x):
    return torch.maximum(x, 0.2 * x)


def shuffle(x, factor):
    """Shuffle an image, or a volume slice by slice."""
    if x.ndim == 4:
        return F.pixel_shuffle(x, factor)
    return F.pixel_shuffle(x.movedim(2, 1), factor).movedim(1, 2)


def reference(x, noise, state, *, blocks, factors, residual_scale):
    """Karras et al. 2019, fig. 1: a style from the noise scales and shifts every block."""
    conv = convolution(state)

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


scales = pytest.mark.parametrize(
    ("scale", "factors"), [((3, 3), [3]), ((4, 4), [2, 2]), ((1, 4, 4), [2, 2])]
)


def network(scale, **arguments):
    size = {"in_channels": 3, "out_channels": 2, "channels": 6, "blocks": 2, "noise_channels": 5}
    return randomised(Stochastic(scale=scale, spatial_dims=len(scale), **size, **arguments))


def lr_and_noise(scale, batch=2):
    random = torch.Generator().manual_seed(2)
    size = (4, 6, 5)[-len(scale) :]
    lr = torch.randn(batch, 3, *size, generator=random, dtype=torch.float64)
    return lr, torch.randn(batch, 5, generator=random, dtype=torch.float64)


@scales
@pytest.mark.parametrize(("options", "residual_scale"), [({}, 1.0), ({"residual_scale": 0.1}, 0.1)])
def test_forward_matches_plain_convolutions_and_matrices(scale, factors, options, residual_scale):
    stochastic, (lr, noise) = network(scale, **options), lr_and_noise(scale)
    counts = {"blocks": 2, "factors": factors, "residual_scale": residual_scale}
    close(stochastic(lr, noise), reference(lr, noise, stochastic.state_dict(), **counts))


@scales
def test_without_noise_it_is_a_plain_residual_network(scale, factors):
    stochastic, (lr, noise) = network(scale), lr_and_noise(scale)
    plain = stochastic.state_dict()
    plain |= {name: torch.zeros_like(plain[name]) for name in plain if "modulation" in name}
    expected = reference(lr, noise, plain, blocks=2, factors=factors, residual_scale=1.0)
    close(stochastic(lr), expected)
    assert torch.equal(stochastic(lr, torch.zeros_like(noise)), stochastic(lr))
    assert (stochastic(lr, noise) - expected).abs().max() > 0.1 * expected.std()


@pytest.mark.parametrize("scale", [(2, 2), (1, 2, 2)], ids=str)
def test_noise_touches_only_its_image(scale):
    stochastic, (lr, noise) = network(scale), lr_and_noise(scale)
    lr = lr[:1].expand_as(lr)
    together = stochastic(lr, noise)
    for i in range(2):
        close(together[i : i + 1], stochastic(lr[i : i + 1], noise[i : i + 1]))
    assert (together[0] - together[1]).abs().max() > 0.1 * together.std()


def test_noise_of_another_shape_is_refused():
    for shape in [(5,), (1, 5), (2, 4), (2, 5, 1)]:
        stochastic, (lr, _) = network((2, 2)), lr_and_noise((2, 2))
        message = f"noise has the shape {shape}; give 5 numbers for each of the 2 images."
        with pytest.raises(ValueError, match=re.escape(message)):
            stochastic(lr, torch.zeros(shape, dtype=torch.float64))
