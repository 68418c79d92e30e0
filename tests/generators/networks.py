"""Small versions of every generator, and the pieces that tests of single ones share."""

import inspect

import torch
from torch.nn import functional as F

from srlab.generators import LKA, RCAB, RRDB, Compact, MSRResNet, Residual, SRResNet, Stochastic

GENERATORS = {
    "compact": (Compact, {"channels": 4, "blocks": 1}),
    "lka": (LKA, {"channels": 4, "blocks": 1}),
    "msrresnet": (MSRResNet, {"channels": 4, "blocks": 1}),
    "rcab": (RCAB, {"channels": 8, "blocks": 1, "groups": 1, "reduction": 2}),
    "residual": (Residual, {"channels": 4, "blocks": 1}),
    "rrdb": (RRDB, {"channels": 4, "blocks": 1, "growth_channels": 2}),
    "srresnet": (SRResNet, {"channels": 4, "blocks": 1}),
    "stochastic": (Stochastic, {"channels": 4, "blocks": 1, "noise_channels": 3}),
}


def that_take(option):
    """Names of the generators with a constructor argument of this name."""
    return [
        name
        for name, (kind, _) in GENERATORS.items()
        if option in inspect.signature(kind).parameters
    ]


def build(name, channels=3, *, out_channels=None, **arguments):
    """Build a tiny network, the same one each time."""
    torch.manual_seed(0)
    kind, tiny = GENERATORS[name]
    channels = {"in_channels": channels, "out_channels": out_channels or channels}
    return kind(**{**channels, **tiny, **arguments})


def randomised(network):
    """Give every parameter and running statistic a value with effect; float64, evaluation mode."""
    generator = torch.Generator().manual_seed(1)
    network = network.double().eval()
    for name, tensor in network.state_dict().items():
        if name.endswith(("running_mean", "running_var")):
            values = 0.5 + 0.3 * torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
            tensor.copy_(values)
        elif tensor.is_floating_point():
            values = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
            tensor.copy_(0.3 * values)
    return network


def inputs(network, *size, batch=2, dtype=torch.float32, seed=2):
    """LR images, and noise for a generator that takes it."""
    generator = torch.Generator().manual_seed(seed)
    lr = torch.rand(batch, network.in_channels, *size, generator=generator, dtype=dtype)
    if network.noise_channels is None:
        return (lr,)
    return lr, torch.randn(batch, network.noise_channels, generator=generator, dtype=dtype)


def image(*size):
    return torch.randn(2, 3, *size, dtype=torch.float64)


def close(actual, expected):
    torch.testing.assert_close(actual, expected, atol=1e-10, rtol=1e-10)


def convolution(state, prefix=""):
    """``conv(name, x)``: zero-padded convolution with the weights of that name."""

    def conv(name, x, *, dilation=1, groups=1):
        weight, bias = state[f"{prefix}{name}.weight"], state.get(f"{prefix}{name}.bias")
        padding = dilation * (weight.shape[-1] // 2)
        convolve = {4: F.conv2d, 5: F.conv3d}[x.ndim]
        return convolve(x, weight, bias, padding=padding, dilation=dilation, groups=groups)

    return conv


def conv_size(inputs, outputs, *, kernel=3, dims=2, groups=1, bias=True):
    """Number of weights and biases of a convolution."""
    return inputs // groups * outputs * kernel**dims + bias * outputs


def size_of(kind, **arguments):
    with torch.device("meta"):
        network = kind(**{"in_channels": 3, "out_channels": 3, "scale": 4, **arguments})
    return sum(parameter.numel() for parameter in network.parameters())
