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
    out_channels = channels if out_channels is None else out_channels
    return kind(**{"in_channels": channels, "out_channels": out_channels, **tiny, **arguments})


def randomised(network):
    """In float64 and evaluation mode, with values that leave no parameter or running statistic without effect."""
    generator = torch.Generator().manual_seed(1)
    network = network.double().eval()
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            statistic = name.endswith(("running_mean", "running_var"))
            draw = torch.rand if statistic else torch.randn
            tensor.copy_(
                0.5 * statistic + 0.3 * draw(tensor.shape, generator=generator, dtype=torch.float64)
            )
    return network


def inputs(network, *size, batch=2, dtype=torch.float32, seed=2):
    """LR images, and noise for a generator that takes it."""
    generator = torch.Generator().manual_seed(seed)
    lr = torch.rand(batch, network.in_channels, *size, generator=generator, dtype=dtype)
    if not hasattr(network, "noise_channels"):
        return (lr,)
    return lr, torch.randn(batch, network.noise_channels, generator=generator, dtype=dtype)


def convolution(state, prefix=""):
    """``conv(name, x)``: zero-padded convolution with the weights of that name."""

    def conv(name, x, *, dilation=1, groups=1):
        weight, bias = state[f"{prefix}{name}.weight"], state[f"{prefix}{name}.bias"]
        return F.conv2d(
            x,
            weight,
            bias,
            padding=dilation * (weight.shape[-1] // 2),
            dilation=dilation,
            groups=groups,
        )

    return conv


def conv_size(inputs, outputs, *, kernel=3, dims=2, groups=1):
    """Number of weights and biases of a convolution."""
    return inputs // groups * outputs * kernel**dims + outputs


def size_of(kind, **arguments):
    with torch.device("meta"):
        network = kind(**{"in_channels": 3, "out_channels": 3, "scale": 4, **arguments})
    return sum(parameter.numel() for parameter in network.parameters())
