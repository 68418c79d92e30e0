"""A writer of ncnn's files, from the description of the format: small networks of Real-ESRGAN."""

import struct

import torch

FLAGS = {"float32": (0, "<f4"), "float16": (0x01306B47, "<f2")}


class Ncnn:
    """A graph and its weights, as they grow layer by layer; a result is the name of its array."""

    def __init__(self, state, storage="float16", optimised=True):
        self.state, self.storage, self.optimised = state, storage, optimised
        self.lines, self.weights = [], b""
        self.image = self.layer("Input", [], "")

    def layer(self, kind, takes, settings):
        result = f"out{len(self.lines)}"
        name = f"{kind}_{len(self.lines)}"
        counts = f"{len(takes)} 1 {' '.join([*takes, result])}"
        self.lines.append(f"{kind:<24} {name:<24} {counts} {settings}".rstrip())
        return result

    def conv(self, image, name, slope=None):
        weight, bias = self.state[f"{name}.weight"].numpy(), self.state[f"{name}.bias"].numpy()
        flag, dtype = FLAGS[self.storage]
        data = weight.astype(dtype).tobytes()
        self.weights += struct.pack("<I", flag) + data + bytes(-len(data) % 4)
        self.weights += bias.astype("<f4").tobytes()
        settings = f"0={len(weight)} 1=3 4=1 5=1 6={weight.size}"
        if slope is None:
            return self.layer("Convolution", [image], settings)
        if self.optimised:
            return self.layer("Convolution", [image], f"{settings} 9=2 -23310=1,{slope:e}")
        return self.layer("ReLU", [self.layer("Convolution", [image], settings)], f"0={slope:e}")

    def prelu(self, image, name):
        slope = self.state[f"{name}.weight"].numpy().astype("<f4")
        self.weights += slope.tobytes()
        return self.layer("PReLU", [image], f"0={len(slope)}")

    def resized(self, image, factor, kind=1):
        return self.layer("Interp", [image], f"0={kind} 1={factor:e} 2={factor:e}")

    def residual(self, branch, trunk):
        if self.optimised:
            return self.layer("Eltwise", [branch, trunk], "0=1 -23301=2,2.0e-01,1.0e+00")
        scaled = self.layer("BinaryOp", [branch], "0=2 1=1 2=2.000000e-01")
        return self.layer("BinaryOp", [scaled, trunk], "0=0")

    def save(self, folder, name="network"):
        text = ["7767517", f"{len(self.lines)} {len(self.lines)}", *self.lines]
        (folder / f"{name}.param").write_text("\n".join(text) + "\n")
        (folder / f"{name}.bin").write_bytes(self.weights)
        return folder / f"{name}.param"


def compact_graph(state, scale, blocks=3, reduction=None, **options):
    graph = Ncnn(state, **options)
    result = graph.image
    for n in range(blocks + 1):
        result = graph.prelu(graph.conv(result, f"body.{2 * n}"), f"body.{2 * n + 1}")
    result = graph.conv(result, f"body.{2 * blocks + 2}")
    result = graph.layer("PixelShuffle", [result], f"0={scale}")
    result = graph.layer("BinaryOp", [result, graph.resized(graph.image, scale)], "")
    if reduction:
        graph.resized(result, reduction, kind=3)
    return graph


def rrdb_graph(state, names, blocks=2, unshuffle=1, **options):
    first, dense, body, *ups, hr, last = names
    graph = Ncnn(state, **options)
    image = graph.image
    if unshuffle > 1:
        image = graph.layer("Reorg", [image], f"0={unshuffle}")
    shallow = features = graph.conv(image, first)
    for n in range(blocks):
        start = features
        for rdb in (1, 2, 3):
            seen = [features]
            for k in (1, 2, 3, 4):
                joined = seen[0] if k == 1 else graph.layer("Concat", seen, "")
                seen.append(graph.conv(joined, dense.format(n, rdb, k), 0.2))
            deep = graph.conv(graph.layer("Concat", seen, "0=0"), dense.format(n, rdb, 5))
            features = graph.residual(deep, features)
        features = graph.residual(features, start)
    features = graph.layer("BinaryOp", [shallow, graph.conv(features, body)], "0=0")
    for up in ups:
        features = graph.conv(graph.resized(features, 2), up, 0.2)
    graph.conv(graph.conv(features, hr, 0.2), last)
    return graph


def as_stored(state, storage="float16"):
    """The weights that are left after they were stored: biases and slopes stay float32."""
    types = {1: torch.float32, 4: getattr(torch, storage)}
    return {name: tensor.to(types[tensor.ndim]).double() for name, tensor in state.items()}
