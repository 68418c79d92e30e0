"""Small models with random weights, networks whose answer is known, and fakes of files."""

import numpy as np
import torch
from model_examples import card
from torch import nn

import srlab
from srlab.generators import RRDB, SRResNet, Stochastic
from srlab.io.array import ArrayReader, ArrayWriter
from srlab.io.clipping import Clipping
from srlab.models.super_resolver import SuperResolver
from srlab.normalisers import Identity, MinMax
from srlab.prediction import Opened, TileGrid, super_resolve

TOP = 255.0
"""Of the training range, which begins at zero."""


def resolver(generator, *, top=TOP, normaliser=None):
    """A model of a generator; a `top` of 1 leaves values as they are."""
    if normaliser is None:
        normaliser = MinMax(minimum=0.0, maximum=top)
    if top == 1:
        normaliser = Identity()
    names = ("red", "green", "blue", "nir")
    described = card(
        scale=generator.scale,
        input_names=names[: generator.in_channels],
        output_names=names[: generator.out_channels],
        training_range=((0.0, top),) * generator.in_channels,
        scope=normaliser.scope,
    )
    return SuperResolver(generator=generator, normaliser=normaliser, card=described).eval()


def srresnet(scale, channels=2):
    """With batch-norm statistics as after training: a fresh batch norm is all but the identity."""
    torch.manual_seed(1)
    network = SRResNet(**_common(scale, channels), blocks=1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            module.running_mean.normal_().mul_(0.1)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
    return network


def noisy(path, scale=(2, 2), channels=3, seed=0):
    """A model in a file whose random weights make noise of everything, and clip many values."""
    torch.manual_seed(seed)
    recipe = _common(scale, channels) | {"blocks": 1}
    limits = {"minimum": 0.0, "maximum": TOP}
    names = ("red", "green", "blue")[:channels]
    described = card(
        scale=scale,
        generator={"_target_": "srlab.generators.SRResNet", **recipe},
        normaliser={"_target_": "srlab.normalisers.MinMax", **limits},
        degradation={
            "_target_": "srlab.degradations.Area", "scale": scale, "spatial_dims": len(scale)
        },
        bands=tuple(range(1, channels + 1)),
        input_names=names,
        output_names=names,
        training_range=((0.0, TOP),) * channels,
    )  # fmt: skip
    network = SRResNet(**recipe)
    SuperResolver(generator=network, normaliser=MinMax(**limits), card=described).save(path)
    return [Opened(str(path), srlab.load(path))]


def rrdb(scale, channels=2, unshuffle=None):
    torch.manual_seed(2)
    return RRDB(
        **_common(scale, channels), growth_channels=4, blocks=1, residual_scale=1.0,
        unshuffle=unshuffle or (1,) * len(scale),
    )  # fmt: skip


def stochastic(scale, channels=2):
    """With random weights throughout, so that the noise shows."""
    torch.manual_seed(3)
    network = Stochastic(**_common(scale, channels), blocks=2, noise_channels=5)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    return network


def _common(scale, channels):
    return {
        "in_channels": channels, "out_channels": channels, "scale": scale,
        "spatial_dims": len(scale), "channels": 4,
    }  # fmt: skip


class Repeat(nn.Module):
    """Nearest-neighbour enlargement: what stands in the output is known without arithmetic."""

    def __init__(self, scale, in_channels=1):
        super().__init__()
        self.scale, self.in_channels, self.out_channels = scale, in_channels, in_channels
        self.seen = []

    def forward(self, lr):
        self.seen.append(tuple(lr.shape))
        return repeat(lr, self.scale)


class Echo(Repeat):
    """Every pixel echoes, `strengths[d]` as strong, in the pixels d further up and to the left."""

    def __init__(self, strengths, *, upwards):
        super().__init__((2, 2))
        self.strengths = {2: upwards, 3: strengths}

    def forward(self, lr):
        sr = lr.clone()
        for axis, strengths in self.strengths.items():
            for distance, strength in strengths.items():
                length = lr.shape[axis] - distance
                if length > 0:
                    sr.narrow(axis, 0, length).add_(strength * lr.narrow(axis, distance, length))
        return repeat(sr, self.scale)


class SeesEverything(Repeat):
    def forward(self, lr):
        return repeat(lr + lr.mean(dim=(2, 3), keepdim=True), self.scale)


def repeat(image, scale):
    for axis, factor in enumerate(scale, start=2):
        image = image.repeat_interleave(factor, dim=axis)
    return image


def scene(channels, *shape, top=TOP):
    return (top * np.random.default_rng(0).random((channels, *shape))).astype(np.float32)


def tiled(model, image, tile, overlap, **settings):
    """The SR of an image by tiles, and the number of them."""
    scale = model.card.scale
    plan = TileGrid(image.shape[1:], tile, overlap, scale)
    writer = ArrayWriter(model.out_channels, plan.target_shape)
    super_resolve(model, ArrayReader(image), writer, plan=plan, **settings)
    return writer.array, len(plan)


def whole(model, image, noise=None, scene=None):
    return model(torch.from_numpy(image)[None], noise, scene)[0].numpy()


class Recorder:
    """A reader and a writer that note what is asked of them, and fail when told to."""

    def __init__(self, shape=(40, 40), *, fail_at=None, error=None):
        self.description = ArrayReader(np.zeros((1, *shape), np.float32)).description
        self.chunks = (1, 1)
        self.clipping = Clipping(self.description.channels)
        self.events, self.windows = [], []
        self.fail_at, self.error = fail_at, error

    def _note(self, event):
        self.events.append(event)
        if self.fail_at == (event, self.events.count(event)):
            raise self.error

    def prepare(self):
        self._note("prepare")

    def resume(self):
        return False

    def sync(self):
        self._note("sync")

    def read(self, window):
        self._note("read")
        self.windows.append(window)
        return np.zeros((1, *(span.stop - span.start for span in window)), dtype=np.float32)

    def write(self, window, array):
        self._note("write")
        assert array.shape[1:] == tuple(span.stop - span.start for span in window)

    def finish(self):
        self._note("finish")

    def discard(self):
        self._note("discard")
