"""Published networks, small and random: their tensors by published names, and their arithmetic."""

import torch
import torch.nn.functional as F

from srlab.generators import RRDB, Compact

WIDTH, GROWTH = 8, 4


def random(*shape, seed=0):
    generator = torch.Generator().manual_seed(hash((shape, seed)) % 2**32)
    return 0.3 * torch.randn(shape, generator=generator, dtype=torch.float64)


def convolutions(sizes):
    """Random weights and biases of convolutions ``name: (in, out)`` or ``(in, out, kernel)``."""
    state = {}
    for number, (name, (inner, outer, *size)) in enumerate(sizes.items()):
        side = size[0] if size else 3
        weight = random(outer, inner, side, side, seed=number)
        state[f"{name}.weight"] = weight / (inner * side * side) ** 0.5 * 3
        state[f"{name}.bias"] = random(outer, seed=number)
    return state


def conv(x, state, name):
    weight = state[f"{name}.weight"]
    return F.conv2d(x, weight, state[f"{name}.bias"], padding=weight.shape[-1] // 2)


def lrelu(x, slope=0.2):
    return F.leaky_relu(x, slope)


def shuffled(x, state, names, factor, activation=lambda x: x):
    for name in names:
        x = activation(F.pixel_shuffle(conv(x, state, name), factor))
    return x


def saved(tmp_path, content, name="published.pth"):
    path = tmp_path / name
    torch.save(content, path)
    return path


RRDB_NAMES = {
    "BasicSR": (
        *("conv_first", "body.{}.rdb{}.conv{}", "conv_body"),
        *("conv_up1", "conv_up2", "conv_hr", "conv_last"),
    ),
    "ESRGAN": (
        *("conv_first", "RRDB_trunk.{}.RDB{}.conv{}", "trunk_conv"),
        *("upconv1", "upconv2", "HRconv", "conv_last"),
    ),
    "numbered": (
        *("model.0", "model.1.sub.{}.RDB{}.conv{}.0", "model.1.sub.2"),
        *("model.3", "model.6", "model.8", "model.10"),
    ),
}


def rrdb_state(first, dense, body, *up_hr_last, blocks=2, bands=3):
    sizes = {first: (bands, WIDTH), body: (WIDTH, WIDTH), up_hr_last[-1]: (WIDTH, 3)}
    sizes |= dict.fromkeys(up_hr_last[:-1], (WIDTH, WIDTH))
    for n in range(blocks):
        for rdb in (1, 2, 3):
            for k in (1, 2, 3, 4):
                sizes[dense.format(n, rdb, k)] = (WIDTH + (k - 1) * GROWTH, GROWTH)
            sizes[dense.format(n, rdb, 5)] = (WIDTH + 4 * GROWTH, WIDTH)
    return convolutions(sizes)


def rrdb_reference(x, state, first, dense, body, up1, up2, hr, last):
    shallow = features = conv(x, state, first)
    for n in range(2):
        start = features
        for rdb in (1, 2, 3):
            seen = [features]
            for k in (1, 2, 3, 4):
                seen.append(lrelu(conv(torch.cat(seen, 1), state, dense.format(n, rdb, k))))
            features = features + 0.2 * conv(torch.cat(seen, 1), state, dense.format(n, rdb, 5))
        features = start + 0.2 * features
    features = shallow + conv(features, state, body)
    for up in (up1, up2):
        features = lrelu(conv(F.interpolate(features, scale_factor=2, mode="nearest"), state, up))
    return conv(lrelu(conv(features, state, hr)), state, last)


def rrdb(**arguments):
    sizes = {"channels": WIDTH, "growth_channels": GROWTH, "blocks": 2}
    given = {"in_channels": 3, "out_channels": 3, "scale": 4} | sizes
    return RRDB(**given | arguments).double().eval()


def msrresnet_state(ups=("upconv1", "upconv2"), factor=2, body="body", hr="conv_hr"):
    sizes = {"conv_first": (3, WIDTH), hr: (WIDTH, WIDTH), "conv_last": (WIDTH, 3)}
    for n in range(2):
        sizes |= dict.fromkeys([f"{body}.{n}.conv1", f"{body}.{n}.conv2"], (WIDTH, WIDTH))
    return convolutions(sizes | dict.fromkeys(ups, (WIDTH, WIDTH * factor**2)))


def compact_state(scale=4, blocks=3, width=WIDTH):
    sizes = {f"body.{2 * n}": (width, width) for n in range(1, blocks + 1)}
    sizes |= {"body.0": (3, width), f"body.{2 * blocks + 2}": (width, 3 * scale**2)}
    slopes = {f"body.{2 * n + 1}.weight": random(width, seed=n) for n in range(blocks + 1)}
    return convolutions(sizes) | slopes


def compact_reference(x, state, scale, blocks):
    features = x
    for n in range(blocks + 1):
        slope = state[f"body.{2 * n + 1}.weight"]
        features = F.prelu(conv(features, state, f"body.{2 * n}"), slope)
    shuffled = F.pixel_shuffle(conv(features, state, f"body.{2 * blocks + 2}"), scale)
    return shuffled + F.interpolate(x, scale_factor=scale, mode="nearest")


def compact(bands=3, scale=4, blocks=3, channels=WIDTH):
    sizes = {"scale": scale, "blocks": blocks, "channels": channels}
    return Compact(in_channels=bands, out_channels=bands, **sizes).double()
