"""Published weights make our generators the published networks."""

from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from published import (
    RRDB_NAMES,
    WIDTH,
    compact,
    compact_reference,
    compact_state,
    conv,
    convolutions,
    lrelu,
    msrresnet_state,
    rrdb,
    rrdb_reference,
    rrdb_state,
    saved,
    shuffled,
)
from torch import nn

import srlab
from srlab.cli.configuration import config_dir
from srlab.generators import RCAB, Compact, MSRResNet, Residual, Spandrel
from srlab.models.pretrained import sizes as sizes_of_layouts
from srlab.models.pretrained.layouts import LAYOUTS
from srlab.models.pretrained.weights import load_weights
from srlab.normalisers import MinMax


@torch.no_grad()
def assert_starts_as(generator, path, reference):
    load_weights(generator, path)
    lr = torch.rand(1, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    torch.testing.assert_close(generator(lr), reference(lr), rtol=0, atol=1e-10)
    assert_applies_as(path, reference)


@torch.no_grad()
def assert_applies_as(path, reference):
    """Without a configuration, the file is a model of 8-bit values."""
    lr = torch.rand(1, 3, 4, 5, dtype=torch.float64)
    sr = srlab.load(path)(255 * lr.float(), edges="zeros") / 255
    torch.testing.assert_close(sr.double(), reference(lr), rtol=0, atol=1e-4)


@pytest.mark.parametrize("naming", RRDB_NAMES)
def test_rrdb_is_the_published_network(tmp_path, naming):
    names = RRDB_NAMES[naming]
    state = rrdb_state(*names)
    assert_starts_as(rrdb(), saved(tmp_path, state), lambda x: rrdb_reference(x, state, *names))


@pytest.mark.parametrize(
    ("scale", "ups", "factor", "body", "hr"),
    [
        (2, ["upconv1"], 2, "body", "conv_hr"),
        (3, ["upconv1"], 3, "recon_trunk", "HRconv"),
        (4, ["upconv1", "upconv2"], 2, "recon_trunk", "HRconv"),
    ],
)
def test_msrresnet_is_the_published_network(tmp_path, scale, ups, factor, body, hr):
    state = msrresnet_state(ups, factor, body, hr)

    def reference(x):
        features = lrelu(conv(x, state, "conv_first"), 0.1)
        for n in range(2):
            branch = F.relu(conv(features, state, f"{body}.{n}.conv1"))
            features = features + conv(branch, state, f"{body}.{n}.conv2")
        features = shuffled(features, state, ups, factor, partial(lrelu, slope=0.1))
        base = F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)
        return conv(lrelu(conv(features, state, hr), 0.1), state, "conv_last") + base

    sizes = {"scale": scale, "channels": WIDTH, "blocks": 2}
    generator = MSRResNet(in_channels=3, out_channels=3, **sizes).double()
    assert_starts_as(generator, saved(tmp_path, {"params": state}), reference)


@pytest.mark.parametrize("scale", [2, 4])
def test_compact_is_the_published_network(tmp_path, scale):
    state = compact_state(scale)
    path = saved(tmp_path, {"params": state})
    assert_starts_as(compact(scale=scale), path, lambda x: compact_reference(x, state, scale, 3))


MEAN = 255 * torch.tensor([0.4488, 0.4371, 0.4040], dtype=torch.float64)


@torch.no_grad()
def assert_starts_as_in_physical_units(generator, path, reference):
    """The published EDSR and RCAN have the normaliser inside."""
    load_weights(generator, path)
    normaliser = MinMax(minimum=MEAN.tolist(), maximum=(MEAN + 1).tolist()).double()
    lr = torch.rand(1, 3, 4, 5, dtype=torch.float64)
    sr = normaliser.inverse(generator(normaliser.lr(255 * lr))) / 255
    # the normaliser's numbers are float32
    torch.testing.assert_close(sr, reference(lr), rtol=0, atol=1e-5)
    assert_applies_as(path, reference)


def with_means(state, first):
    if first != "head.0":
        return state
    shifts = {"weight": torch.eye(3).view(3, 3, 1, 1), "bias": -MEAN}
    for part, value in shifts.items():
        state = state | {f"sub_mean.{part}": value, f"add_mean.{part}": value}
    return state


def edsr(x, state, body, after, ups, factor, last, first):
    shallow = features = conv((x - MEAN.view(1, 3, 1, 1) / 255) * 255, state, first)
    for name in body:
        features = features + 0.1 * conv(F.relu(conv(features, state, name[0])), state, name[1])
    features = shuffled(shallow + conv(features, state, after), state, ups, factor)
    return conv(features, state, last) / 255 + MEAN.view(1, 3, 1, 1) / 255


BASICSR = ("conv_first", ("body.{}.conv1", "body.{}.conv2"), "conv_after_body", "conv_last")
AUTHORS = ("head.0", ("body.{}.body.0", "body.{}.body.2"), "body.2", "tail.1")


@pytest.mark.parametrize(
    ("naming", "ups", "factor"),
    [
        (BASICSR, ["upsample.0", "upsample.2"], 2),
        (BASICSR, ["upsample.0"], 3),
        (AUTHORS, ["tail.0.0", "tail.0.2"], 2),
        (AUTHORS, ["tail.0.0"], 2),
    ],
)
def test_edsr_is_the_published_network(tmp_path, monkeypatch, naming, ups, factor):
    monkeypatch.setattr(sizes_of_layouts, "LARGE", WIDTH)  # with a residual scale of 0.1
    first, layers, after, last = naming
    body = [[layers[0].format(n), layers[1].format(n)] for n in range(2)]
    sizes = {first: (3, WIDTH), after: (WIDTH, WIDTH), last: (WIDTH, 3)}
    sizes |= dict.fromkeys(body[0] + body[1], (WIDTH, WIDTH))
    state = convolutions(sizes | dict.fromkeys(ups, (WIDTH, WIDTH * factor**2)))
    sizes = {"scale": factor ** len(ups), "channels": WIDTH, "blocks": 2}
    generator = Residual(in_channels=3, out_channels=3, residual_scale=0.1, **sizes).double()
    path = saved(tmp_path, with_means(state, first))
    names = {"body": body, "after": after, "ups": ups, "last": last, "first": first}
    assert_starts_as_in_physical_units(
        generator, path, partial(edsr, state=state, factor=factor, **names)
    )


RCAB_BLOCK = "body.{}.residual_group.{}.rcab"
RCAN = {
    "BasicSR": (
        "conv_first",
        [f"{RCAB_BLOCK}.0", f"{RCAB_BLOCK}.2"],
        [f"{RCAB_BLOCK}.3.attention.1", f"{RCAB_BLOCK}.3.attention.3"],
        "body.{}.conv",
        ("conv_after_body", "upsample.0", "upsample.2", "conv_last"),
    ),
    "authors": (
        "head.0",
        ["body.{}.body.{}.body.0", "body.{}.body.{}.body.2"],
        ["body.{}.body.{}.body.3.conv_du.0", "body.{}.body.{}.body.3.conv_du.2"],
        "body.{}.body.3",
        ("body.2", "tail.0.0", "tail.0.2", "tail.1"),
    ),
}


def rcan(x, state, first, block, gate, group_conv, after_ups_last):
    after, up1, up2, last = after_ups_last
    mean = MEAN.view(1, 3, 1, 1) / 255
    shallow = features = conv((x - mean) * 255, state, first)
    for g in range(2):
        start = features
        for n in range(3):
            branch = F.relu(conv(features, state, block[0].format(g, n)))
            branch = conv(branch, state, block[1].format(g, n))
            pooled = branch.mean((2, 3), keepdim=True)
            pooled = F.relu(conv(pooled, state, gate[0].format(g, n)))
            weight = torch.sigmoid(conv(pooled, state, gate[1].format(g, n)))
            features = features + branch * weight
        features = start + conv(features, state, group_conv.format(g))
    features = shuffled(shallow + conv(features, state, after), state, [up1, up2], 2)
    return conv(features, state, last) / 255 + mean


@pytest.mark.parametrize("naming", RCAN)
def test_rcan_is_the_published_network(tmp_path, naming):
    names = RCAN[naming]
    first, block, gate, group_conv, (after, up1, up2, last) = names
    sizes = {first: (3, WIDTH), after: (WIDTH, WIDTH), last: (WIDTH, 3)}
    sizes |= {up1: (WIDTH, 4 * WIDTH), up2: (WIDTH, 4 * WIDTH)}
    for g in range(2):
        sizes[group_conv.format(g)] = (WIDTH, WIDTH)
        for n in range(3):
            sizes |= {name.format(g, n): (WIDTH, WIDTH) for name in block}
            sizes |= {gate[0].format(g, n): (WIDTH, 2, 1), gate[1].format(g, n): (2, WIDTH, 1)}
    state = convolutions(sizes)
    sizes = {"channels": WIDTH, "blocks": 3, "groups": 2, "reduction": WIDTH // 2}
    generator = RCAB(in_channels=3, out_channels=3, scale=4, **sizes).double()
    path = saved(tmp_path, with_means(state, first))
    assert_starts_as_in_physical_units(generator, path, lambda x: rcan(x, state, *names))


def test_every_layout_names_a_generator_of_conf():
    for layout in LAYOUTS:
        text = (Path(config_dir()) / "generator" / f"{layout.choice}.yaml").read_text()
        assert f"_target_: srlab.generators.{layout.kind.__name__}\n" in text


def test_generator_of_another_package_keeps_its_own_names(tmp_path):
    class Theirs(nn.Module):
        in_channels, scale = 3, (1, 1)

        def __init__(self):
            super().__init__()
            self.conv_first = self.conv_after_body = nn.Conv2d(3, 3, 3)
            self.body = nn.ModuleList([nn.ModuleDict({"conv1": nn.Conv2d(3, 3, 3)})])

    one, other = Theirs(), Theirs()
    load_weights(other, saved(tmp_path, one.state_dict()))
    assert torch.equal(other.conv_first.weight, one.conv_first.weight)


REAL = "weights/realesr-animevideov3.pth"


@torch.no_grad()
def test_real_file_is_the_published_network(shared_data):
    path = shared_data(REAL)
    generator = Compact(in_channels=3, out_channels=3, scale=4, channels=64, blocks=16)
    load_weights(generator, path)
    state = torch.load(path, weights_only=True, map_location="cpu")["params"]
    lr = torch.rand(1, 3, 12, 10)
    expected = compact_reference(lr, state, 4, 16)
    torch.testing.assert_close(generator(lr), expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_real_file_gives_the_answer_of_spandrel(shared_data):
    spandrel = pytest.importorskip("spandrel")
    path = shared_data(REAL)
    published = spandrel.ModelLoader(device="cpu").load_from_file(path).model.eval()
    lr = torch.rand(1, 3, 12, 10)
    rebuilt = Spandrel(in_channels=3, scale=4)
    load_weights(rebuilt, path)
    torch.testing.assert_close(rebuilt.eval()(lr), published(lr), rtol=0, atol=1e-5)


@torch.no_grad()
def test_rcan_of_its_authors_gives_the_answer_of_spandrel(tmp_path):
    architectures = pytest.importorskip("spandrel.architectures.RCAN")
    sizes = {"scale": 3, "n_resgroups": 2, "n_resblocks": 2, "n_feats": 16, "reduction": 4}
    published = architectures.RCAN(norm=False, rgb_range=1, **sizes).eval()
    sizes = {"scale": 3, "groups": 2, "blocks": 2, "channels": 16, "reduction": 4}
    generator = RCAB(in_channels=3, out_channels=3, **sizes).eval()
    load_weights(generator, saved(tmp_path, published.state_dict()))
    lr = torch.rand(1, 3, 9, 8)
    torch.testing.assert_close(generator(lr), published(lr), rtol=0, atol=1e-5)
