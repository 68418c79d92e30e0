import logging
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from conftest import TINY, Outcome
from safetensors.torch import save_file
from test_super_resolver import checkpoint, image, model
from torch import nn

from srlab import generators
from srlab.cli.configuration import config_dir
from srlab.generators import (
    RCAB,
    RRDB,
    Compact,
    Interpolation,
    MSRResNet,
    Residual,
    Spandrel,
    SRResNet,
)
from srlab.models.pretrained.layouts import LAYOUTS
from srlab.models.pretrained.weights import load_weights
from srlab.normalisers import MinMax

WIDTH, GROWTH = 8, 4


def random(*shape, seed=0):
    generator = torch.Generator().manual_seed(hash((shape, seed)) % 2**32)
    return 0.3 * torch.randn(shape, generator=generator, dtype=torch.float64)


def convolutions(sizes, kernel=3):
    """Random weights and biases of the convolutions ``name: (in, out)`` or ``(in, out, kernel)``."""
    state = {}
    for number, (name, (inner, outer, *size)) in enumerate(sizes.items()):
        side = size[0] if size else kernel
        state[f"{name}.weight"] = (
            random(outer, inner, side, side, seed=number) / (inner * side * side) ** 0.5 * 3
        )
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


RRDB_NAMES = {
    "BasicSR": (
        "conv_first",
        "body.{}.rdb{}.conv{}",
        "conv_body",
        "conv_up1",
        "conv_up2",
        "conv_hr",
        "conv_last",
    ),
    "ESRGAN": (
        "conv_first",
        "RRDB_trunk.{}.RDB{}.conv{}",
        "trunk_conv",
        "upconv1",
        "upconv2",
        "HRconv",
        "conv_last",
    ),
    "numbered": (
        "model.0",
        "model.1.sub.{}.RDB{}.conv{}.0",
        "model.1.sub.2",
        "model.3",
        "model.6",
        "model.8",
        "model.10",
    ),
}


def rrdb_state(first, dense, body, *up_hr_last, blocks=2, bands=3):
    sizes = {first: (bands, WIDTH), body: (WIDTH, WIDTH), up_hr_last[-1]: (WIDTH, 3)}
    sizes |= dict.fromkeys(up_hr_last[:-1], (WIDTH, WIDTH))
    for n in range(blocks):
        for rdb in (1, 2, 3):
            for k in (1, 2, 3, 4, 5):
                sizes[dense.format(n, rdb, k)] = (
                    WIDTH + (k - 1) * GROWTH,
                    GROWTH if k < 5 else WIDTH,
                )
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


def rrdb(blocks=2, **arguments):
    given = {
        "in_channels": 3,
        "out_channels": 3,
        "scale": 4,
        "channels": WIDTH,
        "growth_channels": GROWTH,
    }
    return RRDB(**given | {"blocks": blocks} | arguments).double().eval()


def assert_starts_as(generator, path, reference, match="exact"):
    lr = torch.rand(2, 3, 7, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    load_weights(generator, path, match=match)
    with torch.no_grad():
        torch.testing.assert_close(generator(lr), reference(lr), rtol=0, atol=1e-10)


def saved(tmp_path, content, name="published.pth"):
    path = tmp_path / name
    torch.save(content, path)
    return path


@pytest.mark.parametrize("naming", RRDB_NAMES)
def test_rrdb_is_the_published_network(tmp_path, naming):
    names = RRDB_NAMES[naming]
    state = rrdb_state(*names)
    assert_starts_as(rrdb(), saved(tmp_path, state), lambda x: rrdb_reference(x, state, *names))


MSRRESNET = {2: (["upconv1"], 2), 3: (["upconv1"], 3), 4: (["upconv1", "upconv2"], 2)}


@pytest.mark.parametrize("scale", MSRRESNET)
@pytest.mark.parametrize(("body", "hr"), [("body", "conv_hr"), ("recon_trunk", "HRconv")])
def test_msrresnet_is_the_published_network(tmp_path, scale, body, hr):
    ups, factor = MSRRESNET[scale]
    state = msrresnet_state(ups, factor, body, hr)

    def reference(x):
        features = lrelu(conv(x, state, "conv_first"), 0.1)
        for n in range(2):
            features = features + conv(
                F.relu(conv(features, state, f"{body}.{n}.conv1")), state, f"{body}.{n}.conv2"
            )
        features = shuffled(features, state, ups, factor, partial(lrelu, slope=0.1))
        base = F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)
        return conv(lrelu(conv(features, state, hr), 0.1), state, "conv_last") + base

    generator = MSRResNet(
        in_channels=3, out_channels=3, scale=scale, channels=WIDTH, blocks=2
    ).double()
    assert_starts_as(generator, saved(tmp_path, {"params": state}), reference)


def msrresnet_state(ups=("upconv1", "upconv2"), factor=2, body="body", hr="conv_hr", width=WIDTH):
    sizes = {"conv_first": (3, width), hr: (width, width), "conv_last": (width, 3)}
    sizes |= {f"{body}.{n}.conv{k}": (width, width) for n in range(2) for k in (1, 2)}
    return convolutions(sizes | dict.fromkeys(ups, (width, width * factor**2)))


def compact_state(scale=4, blocks=3, bands=3, width=WIDTH):
    state = convolutions(
        {"body.0": (bands, width), f"body.{2 * blocks + 2}": (width, bands * scale**2)}
        | {f"body.{2 * n}": (width, width) for n in range(1, blocks + 1)}
    )
    return state | {f"body.{2 * n + 1}.weight": random(width, seed=n) for n in range(blocks + 1)}


def compact_reference(x, state, scale, blocks):
    features = x
    for n in range(blocks + 1):
        features = F.prelu(
            conv(features, state, f"body.{2 * n}"), state[f"body.{2 * n + 1}.weight"]
        )
    shuffled = F.pixel_shuffle(conv(features, state, f"body.{2 * blocks + 2}"), scale)
    return shuffled + F.interpolate(x, scale_factor=scale, mode="nearest")


def compact(bands=3, scale=4, blocks=3, **arguments):
    given = {
        "in_channels": bands,
        "out_channels": bands,
        "scale": scale,
        "channels": WIDTH,
        "blocks": blocks,
    }
    return Compact(**given | arguments).double()


@pytest.mark.parametrize("scale", [2, 4])
def test_compact_is_the_published_network(tmp_path, scale):
    state = compact_state(scale)
    path = saved(tmp_path, {"params": state})
    assert_starts_as(compact(scale=scale), path, lambda x: compact_reference(x, state, scale, 3))


MEAN = 255 * torch.tensor([0.4488, 0.4371, 0.4040], dtype=torch.float64)


class InPhysicalUnits(nn.Module):
    """A generator between the normaliser that the published EDSR and RCAN have inside."""

    def __init__(self, generator):
        super().__init__()
        self.generator = generator
        self.normaliser = MinMax(minimum=MEAN.tolist(), maximum=(MEAN + 1).tolist()).double()

    def forward(self, lr):
        return self.normaliser.inverse(self.generator(self.normaliser.lr(255 * lr))) / 255


def edsr(x, state, body, after, ups, factor, last, first):
    shallow = features = conv((x - MEAN.view(1, 3, 1, 1) / 255) * 255, state, first)
    for name in body:
        features = features + 0.1 * conv(F.relu(conv(features, state, name[0])), state, name[1])
    features = shuffled(shallow + conv(features, state, after), state, ups, factor)
    return conv(features, state, last) / 255 + MEAN.view(1, 3, 1, 1) / 255


EDSR = {
    "BasicSR ×4": (
        "conv_first",
        "body.{}.conv{}",
        (1, 2),
        "conv_after_body",
        ["upsample.0", "upsample.2"],
        2,
        "conv_last",
    ),
    "BasicSR ×3": (
        "conv_first",
        "body.{}.conv{}",
        (1, 2),
        "conv_after_body",
        ["upsample.0"],
        3,
        "conv_last",
    ),
    "authors ×4": (
        "head.0",
        "body.{}.body.{}",
        (0, 2),
        "body.2",
        ["tail.0.0", "tail.0.2"],
        2,
        "tail.1",
    ),
    "authors ×2": ("head.0", "body.{}.body.{}", (0, 2), "body.2", ["tail.0.0"], 2, "tail.1"),
}


def assert_starts_as_in_physical_units(generator, path, reference):
    load_weights(generator, path)
    lr = torch.rand(2, 3, 7, 6, dtype=torch.float64)
    # the normaliser's statistics are float32
    torch.testing.assert_close(
        InPhysicalUnits(generator)(lr).detach(), reference(lr), rtol=0, atol=1e-5
    )


def with_means(state, first):
    shifts = {"weight": torch.eye(3).view(3, 3, 1, 1), "bias": -MEAN}
    official = {
        f"{name}.{part}": value
        for name in ("sub_mean", "add_mean")
        for part, value in shifts.items()
    }
    return state | (official if first == "head.0" else {})


@pytest.mark.parametrize("naming", EDSR)
def test_edsr_is_the_published_network(tmp_path, naming):
    first, block, layers, after, ups, factor, last = EDSR[naming]
    body = [[block.format(n, layer) for layer in layers] for n in range(2)]
    sizes = {first: (3, WIDTH), after: (WIDTH, WIDTH), last: (WIDTH, 3)}
    sizes |= {name: (WIDTH, WIDTH) for pair in body for name in pair} | dict.fromkeys(
        ups, (WIDTH, WIDTH * factor**2)
    )
    state = convolutions(sizes)
    generator = Residual(
        in_channels=3,
        out_channels=3,
        scale=factor ** len(ups),
        channels=WIDTH,
        blocks=2,
        residual_scale=0.1,
    ).double()
    path = saved(tmp_path, with_means(state, first))
    reference = partial(
        edsr, state=state, body=body, after=after, ups=ups, factor=factor, last=last, first=first
    )
    assert_starts_as_in_physical_units(generator, path, reference)


RCAN = {
    "BasicSR": (
        "conv_first",
        ["body.{}.residual_group.{}.rcab.0", "body.{}.residual_group.{}.rcab.2"],
        [
            "body.{}.residual_group.{}.rcab.3.attention.1",
            "body.{}.residual_group.{}.rcab.3.attention.3",
        ],
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


@pytest.mark.parametrize("naming", RCAN)
def test_rcan_is_the_published_network(tmp_path, naming):
    first, block, gate, group_conv, (after, up1, up2, last) = RCAN[naming]
    sizes = {first: (3, WIDTH), after: (WIDTH, WIDTH), last: (WIDTH, 3)}
    sizes |= {up1: (WIDTH, 4 * WIDTH), up2: (WIDTH, 4 * WIDTH)}
    for g in range(2):
        sizes[group_conv.format(g)] = (WIDTH, WIDTH)
        for n in range(3):
            sizes |= {name.format(g, n): (WIDTH, WIDTH) for name in block}
            sizes |= {gate[0].format(g, n): (WIDTH, 2, 1), gate[1].format(g, n): (2, WIDTH, 1)}
    state = convolutions(sizes)

    def reference(x):
        mean = MEAN.view(1, 3, 1, 1) / 255
        shallow = features = conv((x - mean) * 255, state, first)
        for g in range(2):
            start = features
            for n in range(3):
                branch = conv(
                    F.relu(conv(features, state, block[0].format(g, n))),
                    state,
                    block[1].format(g, n),
                )
                pooled = F.relu(
                    conv(branch.mean((2, 3), keepdim=True), state, gate[0].format(g, n))
                )
                features = features + branch * torch.sigmoid(
                    conv(pooled, state, gate[1].format(g, n))
                )
            features = start + conv(features, state, group_conv.format(g))
        features = shuffled(shallow + conv(features, state, after), state, [up1, up2], 2)
        return conv(features, state, last) / 255 + mean

    generator = RCAB(
        in_channels=3,
        out_channels=3,
        scale=4,
        channels=WIDTH,
        blocks=3,
        groups=2,
        reduction=WIDTH // 2,
    ).double()
    assert_starts_as_in_physical_units(
        generator, saved(tmp_path, with_means(state, first)), reference
    )


def test_every_layout_names_a_generator_of_conf():
    for layout in LAYOUTS:
        text = (Path(config_dir()) / "generator" / f"{layout.choice}.yaml").read_text()
        assert f"_target_: srlab.generators.{layout.kind.__name__}\n" in text


REAL = "weights/realesr-animevideov3.pth"


def real_compact():
    return Compact(in_channels=3, out_channels=3, scale=4, channels=64, blocks=16).eval()


@torch.no_grad()
def test_real_file_is_the_published_network(shared_data):
    path = shared_data(REAL)
    generator = real_compact()
    load_weights(generator, path)
    state = torch.load(path, weights_only=True, map_location="cpu")["params"]
    lr = torch.rand(1, 3, 24, 20)
    torch.testing.assert_close(
        generator(lr), compact_reference(lr, state, 4, 16), rtol=0, atol=1e-5
    )


@torch.no_grad()
def test_real_file_gives_the_answer_of_spandrel(shared_data):
    spandrel = pytest.importorskip("spandrel")
    path = shared_data(REAL)
    published = spandrel.ModelLoader(device="cpu").load_from_file(path).model.eval()
    lr = torch.rand(1, 3, 24, 20)
    generator, rebuilt = real_compact(), Spandrel(in_channels=3, scale=4).eval()
    for network in (generator, rebuilt):
        load_weights(network, path)
        torch.testing.assert_close(network(lr), published(lr), rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match="weights_match=partial has no meaning"):
        load_weights(rebuilt, path, match="partial")


@torch.no_grad()
def test_rcan_of_its_authors_gives_the_answer_of_spandrel(tmp_path):
    architectures = pytest.importorskip("spandrel.architectures.RCAN")

    published = architectures.RCAN(
        scale=3, n_resgroups=2, n_resblocks=2, n_feats=16, reduction=4, norm=False, rgb_range=1
    ).eval()
    generator = RCAB(
        in_channels=3, out_channels=3, scale=3, channels=16, blocks=2, groups=2, reduction=4
    ).eval()
    load_weights(generator, saved(tmp_path, published.state_dict()))
    lr = torch.rand(1, 3, 9, 8)
    torch.testing.assert_close(generator(lr), published(lr), rtol=0, atol=1e-5)


@pytest.mark.parametrize("suffix", ["pth", "pt", "ckpt", "safetensors"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_formats_and_prefixes(tmp_path, suffix, prefix):
    state = {prefix + name: tensor for name, tensor in compact_state().items()}
    path = tmp_path / f"published.{suffix}"
    save_file(state, path) if suffix == "safetensors" else torch.save(state, path)
    generator = compact()
    load_weights(generator, path)
    assert torch.equal(generator.head[0].weight, state[f"{prefix}body.0.weight"])


@pytest.mark.parametrize(
    ("keys", "taken"),
    [
        (["params", "params_ema"], "params_ema"),
        (["state_dict", "params"], "params"),
        (["model", "state_dict"], "state_dict"),
        (["optimizer", "model"], "model"),
    ],
)
def test_averaged_weights_are_preferred(tmp_path, keys, taken):
    given = {
        key: {name: tensor + n for name, tensor in compact_state().items()}
        for n, key in enumerate(keys)
    }
    path = saved(tmp_path, given | {"iter": 5})
    generator = compact()
    load_weights(generator, path)
    assert torch.equal(generator.tail[0].bias, given[taken]["body.8.bias"])


def test_our_own_names_need_no_translation(tmp_path):
    for kind in (SRResNet, RRDB, Compact):
        arguments = {"in_channels": 3, "out_channels": 3, "scale": 2, "channels": 8, "blocks": 2}
        one, other = kind(**arguments), kind(**arguments)
        load_weights(other, saved(tmp_path, one.state_dict()))
        assert all(
            torch.equal(tensor, one.state_dict()[name])
            for name, tensor in other.state_dict().items()
        )


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


class Payload:
    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        import os

        return os.mkdir, (self.marker,)


@pytest.mark.parametrize("suffix", ["pth", "pt", "ckpt"])
@pytest.mark.parametrize("match", ["exact", "partial", "inflate"])
def test_code_in_a_file_is_refused_and_not_run(tmp_path, suffix, match):
    path = saved(
        tmp_path, {"params": compact_state(), "more": Payload(tmp_path / "ran")}, f"bad.{suffix}"
    )
    generator = compact()
    before = generator.tail[0].weight.clone()
    with pytest.raises(
        ValueError, match=r"carries more than tensors.*nothing in it was run: it calls \w+\.mkdir"
    ):
        load_weights(generator, path, match=match)
    assert not (tmp_path / "ran").exists()
    assert torch.equal(generator.tail[0].weight, before)
    torch.load(path, weights_only=False)
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            [1, 2],
            "has no named tensors, at its top or under params_ema, params, state_dict, model; it has list.",
        ),
        ({"params": {}, "iter": 3}, "model; it has params, iter."),
        (
            {"a": torch.zeros(2, dtype=torch.complex64)},
            "has a tensor a that is no plain array of real numbers.",
        ),
        (
            {"a": torch.zeros(2, device="meta")},
            "has a tensor a that is no plain array of real numbers.",
        ),
        ({"a": torch.eye(2).to_sparse()}, "has a tensor a that is no plain array of real numbers."),
        ({"x": torch.zeros(2)}, "holds tensors of an unknown network, whose weights do not fit"),
    ],
)
def test_files_without_usable_tensors_are_refused(tmp_path, content, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        load_weights(compact(), saved(tmp_path, content))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["damaged.pth", "damaged.safetensors", "damaged.ckpt"])
def test_damaged_file_is_refused_by_one_line(tmp_path, name):
    (tmp_path / name).write_bytes(b"neither\nnor" * 50)
    with pytest.raises(ValueError, match="damaged") as caught:
        load_weights(compact(), tmp_path / name)
    assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError, match="there are no weights at"):
        load_weights(compact(), tmp_path / "missing.pth")


def test_generator_without_weights_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Interpolation has no weights to load"):
        load_weights(Interpolation(in_channels=3, scale=4), saved(tmp_path, compact_state()))


def test_unknown_match_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match="weights_match is 'most'; it must be one of exact, partial, inflate"
    ):
        load_weights(compact(), saved(tmp_path, compact_state()), match="most")


class TestBundles:
    @pytest.mark.parametrize("kind", ["bundle", "checkpoint"])
    def test_weights_start_another_generator(self, tmp_path, kind):
        trained = model("SRResNet", seed=1)
        path = tmp_path / ("last.ckpt" if kind == "checkpoint" else "model.safetensors")
        checkpoint(path, trained=trained) if kind == "checkpoint" else trained.save(path)
        fresh = model("SRResNet", seed=2)
        load_weights(fresh.generator, path)
        assert torch.equal(fresh(image(4, 5)), trained(image(4, 5)))

    def test_weights_of_another_scale_are_refused(self, tmp_path):
        path = tmp_path / "model.safetensors"
        model(scale=(4, 4)).save(path)
        message = f"{path} is a model for scale (4, 4) and this run has scale (2, 2); set scale to match, "
        message += "or weights_match=partial to load what fits."
        with pytest.raises(ValueError, match=re.escape(message)):
            load_weights(model().generator, path)

    @pytest.mark.parametrize("match", ["exact", "inflate"])
    def test_bundle_of_another_unshuffle_is_refused(self, tmp_path, match):
        path = tmp_path / "model.safetensors"
        trained = model("RRDB", unshuffle=[2, 1])
        trained.save(path)
        message = "by (2, 1) (pixel-unshuffle), and this run's generator by (1, 2); set generator.unshuffle=[2, 1], or"
        with pytest.raises(ValueError, match=re.escape(message)):
            load_weights(model("RRDB", unshuffle=[1, 2]).generator, path, match=match)
        fresh = model("RRDB", unshuffle=[2, 1], seed=5)
        load_weights(fresh.generator, path, match=match)
        assert torch.equal(fresh(image(4, 5)), trained(image(4, 5)))

    @pytest.mark.parametrize(
        "other", [{"generator": "RRDB"}, {"channels": 5}, {"blocks": 2}], ids=str
    )
    def test_weights_of_another_architecture_are_refused_by_one_line(self, tmp_path, other):
        path = tmp_path / "model.safetensors"
        saved = model(**other)
        saved.save(path)
        message = f"{path} holds a {saved.card.generator['_target_']}, whose weights do not fit this run's generator: "
        with pytest.raises(ValueError, match=re.escape(message)) as caught:
            load_weights(model("SRResNet").generator, path)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 1000

    def test_checkpoint_of_another_name_is_refused(self, tmp_path):
        path = checkpoint(tmp_path / "last.pth", trained=model())
        with pytest.raises(
            ValueError, match=r"is a checkpoint of a run; give it a name that ends in \.ckpt"
        ):
            load_weights(model().generator, path)

    def test_bundle_of_another_scale_gives_what_fits(self, tmp_path):
        path = tmp_path / "model.safetensors"
        saved = model(scale=(4, 4), seed=1)
        saved.save(path)
        generator = model(seed=2).generator
        load_weights(generator, path, match="partial")
        assert torch.equal(generator.head[0].weight, saved.generator.head[0].weight)


def test_misfit_is_told_in_one_bounded_line_and_changes_nothing(tmp_path):
    state = compact_state(blocks=9)
    state["body.0.weight"] = state["body.0.weight"][:, :, :1]
    generator = compact(blocks=3)
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    with pytest.raises(ValueError, match="whose weights do not fit") as caught:
        load_weights(generator, path := saved(tmp_path, state))
    assert str(caught.value) == (
        f"{path} holds an SRVGGNetCompact of Real-ESRGAN, whose weights do not fit this run's generator: "
        "18 left over (body.8.weight, body.8.bias, body.10.weight, body.10.bias, body.12.weight and 13 more); "
        "1 of another shape (head.0.weight: (8, 3, 1, 3) for (8, 3, 3, 3)); check generator, channels, blocks and "
        "scale, or set weights_match=partial to load what fits."
    )
    assert all(torch.equal(tensor, before[name]) for name, tensor in generator.state_dict().items())
    with pytest.raises(
        ValueError, match=r"18 missing \(trunk\.3\.0\.weight, .* and 13 more\); check"
    ):
        load_weights(compact(blocks=9), saved(tmp_path, compact_state(blocks=3)))


def test_long_names_do_not_make_long_messages(tmp_path):
    state = {f"{n}\n" + 10_000 * "x": torch.zeros(1) for n in range(300)}
    with pytest.raises(ValueError, match="300 left over") as caught:
        load_weights(compact(), saved(tmp_path, state))
    assert len(str(caught.value)) < 1500
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [SRResNet, Residual, RRDB])
def test_other_network_is_named(tmp_path, kind):
    generator = kind(in_channels=3, out_channels=3, scale=4, channels=WIDTH, blocks=2)
    path = saved(tmp_path, {"params": msrresnet_state()})
    message = "holds an MSRResNet of BasicSR, whose weights do not fit this run's generator, a .*set generator=msrresnet"
    for match in ("exact", "inflate"):
        with pytest.raises(ValueError, match=message):
            load_weights(generator, path, match=match)


UNSHUFFLED = pytest.mark.parametrize(("unshuffle", "scale"), [(2, 2), (4, 1)])


@UNSHUFFLED
@pytest.mark.parametrize("naming", RRDB_NAMES)
def test_pixel_unshuffle_of_another_factor_is_refused(tmp_path, naming, unshuffle, scale):
    path = saved(tmp_path, {"params_ema": rrdb_state(*RRDB_NAMES[naming], bands=3 * unshuffle**2)})
    message = (
        f"RRDBNet of {naming.replace('numbered', 'ESRGAN')} that rearranges its input by {(unshuffle,) * 2} "
        f"(pixel-unshuffle), and this run's generator by {{}}; set generator.unshuffle={unshuffle} and scale={scale}, "
        "or weights_match=partial to load what fits."
    )
    for given in (
        {"scale": 2},
        {"scale": 4},
        {"scale": scale, "in_channels": 4, "out_channels": 4},
    ):
        for match in ("exact", "inflate"):
            with pytest.raises(ValueError, match=re.escape(message.format((1, 1)))):
                load_weights(rrdb(**given), path, match=match)
    # as many channels as the file's, but cells of another shape
    with pytest.raises(ValueError, match=re.escape(message.format((unshuffle**2, 1)))):
        load_weights(rrdb(scale=(1, 4), unshuffle=(unshuffle**2, 1)), path)


def test_plain_weights_do_not_fit_an_unshuffled_network(tmp_path):
    path = saved(tmp_path, rrdb_state(*RRDB_NAMES["BasicSR"]))
    message = "by (1, 1) (pixel-unshuffle), and this run's generator by (2, 2); set generator.unshuffle=1 and scale=4,"
    with pytest.raises(ValueError, match=re.escape(message)):
        load_weights(rrdb(scale=2, unshuffle=2), path)


@UNSHUFFLED
def test_unshuffled_rrdb_is_the_published_network(tmp_path, caplog, unshuffle, scale):
    names = RRDB_NAMES["BasicSR"]
    state = rrdb_state(*names, bands=3 * unshuffle**2)
    path = saved(tmp_path, {"params_ema": state})
    generator = rrdb(scale=scale, unshuffle=unshuffle)
    with caplog.at_level(logging.INFO):
        load_weights(generator, path)
    assert "(100.0 %) and" in caplog.text
    assert "parameters (100.0 %)" in caplog.text
    lr = torch.rand(2, 3, 12, 8, dtype=torch.float64)
    expected = rrdb_reference(F.pixel_unshuffle(lr, unshuffle), state, *names)
    assert expected.shape[2:] == (12 * scale, 8 * scale)
    with torch.no_grad():
        torch.testing.assert_close(generator(lr), expected, rtol=0, atol=1e-5)
        torch.testing.assert_close(generator(lr), expected, rtol=0, atol=1e-10)
    with pytest.raises(
        ValueError, match=re.escape(f"model for scale {(scale,) * 2} and this run has scale (8, 8)")
    ):
        load_weights(rrdb(scale=8, unshuffle=unshuffle), path)


def test_plain_network_of_guides_is_not_taken_for_an_unshuffled_one(tmp_path):
    state = rrdb_state(*RRDB_NAMES["BasicSR"], bands=12)
    generator = rrdb(in_channels=12)
    load_weights(generator, saved(tmp_path, state))
    assert torch.equal(generator.head.weight, state["conv_first.weight"])


@UNSHUFFLED
@pytest.mark.parametrize("bands", [13, 4, 2, 1])
@torch.no_grad()
def test_inflated_unshuffled_network_answers_a_grey_image_with_the_mean(
    tmp_path, unshuffle, scale, bands
):
    names = RRDB_NAMES["BasicSR"]
    state = rrdb_state(*names, bands=3 * unshuffle**2)
    generator = rrdb(scale=scale, unshuffle=unshuffle, in_channels=bands, out_channels=bands)
    load_weights(generator, saved(tmp_path, state), match="inflate")
    grey = torch.rand(2, 1, 8, 12, dtype=torch.float64)
    published = rrdb_reference(
        F.pixel_unshuffle(grey.expand(-1, 3, -1, -1), unshuffle), state, *names
    )
    mean = published.mean(dim=1, keepdim=True)
    sr = generator(grey.expand(-1, bands, -1, -1))
    assert mean.std() > 1e-3
    torch.testing.assert_close(sr, mean.expand_as(sr), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("generator", "state", "message"),
    [
        (
            partial(rrdb, scale=2),
            lambda: rrdb_state(*RRDB_NAMES["BasicSR"]),
            "scale (4, 4) and this run has scale (2, 2)",
        ),
        (
            partial(rrdb, scale=9),
            lambda: rrdb_state(*RRDB_NAMES["ESRGAN"]),
            "scale (4, 4) and this run has scale (9, 9)",
        ),
        (partial(compact, scale=2), compact_state, "scale (4, 4) and this run has scale (2, 2)"),
    ],
)
@pytest.mark.parametrize("match", ["exact", "inflate"])
def test_published_model_of_another_scale_is_refused(tmp_path, generator, state, message, match):
    with pytest.raises(ValueError, match=re.escape(message)):
        load_weights(generator(), saved(tmp_path, state()), match=match)


class TestPartial:
    def test_percentages_are_those_counted_by_hand(self, tmp_path, caplog):
        # 4 of 5 layers of a compact network fit: all but the last convolution, and the run has one more block
        state = compact_state(scale=2, blocks=3)
        generator = compact(scale=4, blocks=4)
        fresh = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
        with caplog.at_level(logging.INFO):
            load_weights(generator, saved(tmp_path, state), match="partial")
        assert torch.equal(generator.trunk[2][0].weight, state["body.6.weight"])
        assert torch.equal(generator.trunk[3][0].weight, fresh["trunk.3.0.weight"])
        assert torch.equal(generator.tail[0].weight, fresh["tail.0.weight"])
        first, block, last = 3 * 8 * 9 + 8 + 8, 8 * 8 * 9 + 8 + 8, 8 * 48 * 9 + 48
        assert (first, block, last) == (232, 592, 3504)
        assert (
            "loaded 12 of 17 tensors (70.6 %) and 2008 of 6104 parameters (32.9 %)" in caplog.text
        )
        assert first + 3 * block == 2008
        assert first + 4 * block + last == 6104
        assert "3 missing (trunk.3.0.weight, trunk.3.0.bias, trunk.3.1.weight)" in caplog.text
        assert (
            "2 of another shape (tail.0.weight: (12, 8, 3, 3) for (48, 8, 3, 3), tail.0.bias"
            in caplog.text
        )

    def test_nothing_at_all_is_refused(self, tmp_path):
        with pytest.raises(
            ValueError, match=r"of whose weights none fits.*It is a network of generator=compact"
        ):
            load_weights(rrdb(), saved(tmp_path, compact_state()), match="partial")

    def test_trunk_of_a_pixel_unshuffle_network_is_used(self, tmp_path):
        state = rrdb_state(*RRDB_NAMES["BasicSR"], bands=12)
        generator = rrdb()
        load_weights(generator, saved(tmp_path, state), match="partial")
        assert torch.equal(generator.trunk[2].weight, state["conv_body.weight"])


ALL = sorted(set(generators.__all__) - {"Generator", "Interpolation", "Spandrel"})


def small(name, bands, scale=2, **arguments):
    kind = getattr(generators, name)
    sizes = {"channels": 8, "blocks": 2} | ({"groups": 2, "reduction": 4} if name == "RCAB" else {})
    torch.manual_seed(bands)
    dims = arguments.get("spatial_dims", 2)
    generator = (
        kind(in_channels=bands, out_channels=bands, scale=scale, **sizes | arguments)
        .double()
        .eval()
    )
    for tensor in generator.parameters():
        tensor.data.copy_(0.2 * torch.randn(tensor.shape, dtype=tensor.dtype))
    return generator, torch.rand(2, 1, *(5, 6, 4)[:dims], dtype=torch.float64)


@pytest.mark.parametrize("bands", [13, 4, 2, 1])
@pytest.mark.parametrize("name", ALL)
@torch.no_grad()
def test_inflated_network_answers_a_grey_image_with_the_mean(tmp_path, name, bands):
    pretrained, grey = small(name, 3)
    generator, _ = small(name, bands)
    load_weights(generator, saved(tmp_path, pretrained.state_dict()), match="inflate")
    mean = pretrained(grey.expand(-1, 3, -1, -1)).mean(dim=1, keepdim=True)
    sr = generator(grey.expand(-1, bands, -1, -1))
    assert mean.std() > 1e-3
    torch.testing.assert_close(sr, mean.expand_as(sr), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ["Compact", "Residual"])
@torch.no_grad()
def test_inflated_volume_network_answers_a_grey_image_with_the_mean(tmp_path, name):
    given = {"scale": (1, 2, 3), "spatial_dims": 3}
    (pretrained, grey), (generator, _) = small(name, 3, **given), small(name, 5, **given)
    load_weights(generator, saved(tmp_path, pretrained.state_dict()), match="inflate")
    mean = pretrained(grey.expand(-1, 3, -1, -1, -1)).mean(dim=1, keepdim=True)
    sr = generator(grey.expand(-1, 5, -1, -1, -1))
    torch.testing.assert_close(sr, mean.expand_as(sr), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ALL)
def test_inflation_changes_nothing_for_as_many_bands(tmp_path, name):
    pretrained, _ = small(name, 3)
    generator, _ = small(name, 3)
    for tensor in generator.parameters():
        tensor.data.zero_()
    load_weights(generator, saved(tmp_path, pretrained.state_dict()), match="inflate")
    for key, tensor in generator.state_dict().items():
        assert torch.equal(tensor, pretrained.state_dict()[key]), key


def test_exact_advises_inflation_where_bands_alone_differ(tmp_path):
    path = saved(tmp_path, compact_state())
    with pytest.raises(
        ValueError,
        match="weights_match=inflate to adapt the first and last layer to this run's bands",
    ):
        load_weights(compact(bands=4), path)
    generator = compact(bands=4)
    load_weights(generator, path, match="inflate")
    with pytest.raises(ValueError, match="weights_match=partial to load what fits"):
        load_weights(compact(bands=4, blocks=5), path)
    with pytest.raises(ValueError, match="weights_match=partial to load what fits"):
        load_weights(compact(bands=4, blocks=5), path, match="inflate")


def test_another_scale_is_not_taken_for_other_bands(tmp_path):
    path = saved(tmp_path, compact(scale=4).state_dict())
    for bands in (3, 4):
        with pytest.raises(
            ValueError, match=r"2 of another shape \(tail\.0\.weight: \(48, 8, 3, 3\)"
        ):
            load_weights(compact(bands=bands, scale=2), path, match="inflate")


def test_filters_by_hand(tmp_path):
    # one feature, 1 × 1 of a 3 × 3 kernel in use: R, G, B weigh 1, 2, 6: mean 3, and 3 · 3/4 = 2.25 for each of 4
    state = compact_state(width=1, blocks=0, scale=1)
    state["body.0.weight"] = torch.zeros(1, 3, 3, 3)
    state["body.0.weight"][0, :, 1, 1] = torch.tensor([1.0, 2.0, 6.0])
    state["body.2.bias"] = torch.tensor([1.0, 2.0, 6.0])
    for bands, weight in ((4, 2.25), (1, 9.0), (9, 1.0)):
        generator = compact(bands=bands, scale=1, blocks=0, channels=1)
        load_weights(generator, saved(tmp_path, state), match="inflate")
        assert generator.head[0].weight[0, :, 1, 1].tolist() == pytest.approx([weight] * bands)
        assert generator.tail[0].bias.tolist() == pytest.approx([3.0] * bands)


class TestNamedBands:
    """R, G, B weigh 1, 2, 6 and have the biases 10, 20, 60."""

    @pytest.fixture
    def inflated(self, tmp_path):
        def load(channels, before=("red", "green", "blue")):
            trained = model("RRDB", seed=3)
            trained.generator.head.weight.data.copy_(
                torch.tensor([1.0, 2.0, 6.0]).view(1, 3, 1, 1).expand(4, 3, 3, 3)
            )
            trained.generator.tail.bias.data.copy_(torch.tensor([10.0, 20.0, 60.0]))
            trained.card = replace(trained.card, channels=before)
            trained.save(tmp_path / "model.safetensors")
            run = model("RRDB", in_channels=len(channels), out_channels=len(channels)).generator
            load_weights(run, tmp_path / "model.safetensors", match="inflate", channels=channels)
            return run.head.weight[0, :, 1, 1].tolist(), run.tail.bias.tolist()

        return load

    @pytest.mark.parametrize(
        ("channels", "filters", "biases"),
        [
            (("blue", "green", "red", "nir"), [6, 2, 1, 0], [60, 20, 10, 30]),
            (("blue", "green", "red"), [6, 2, 1], [60, 20, 10]),
            (("red", "nir", "swir", "blue"), [1, 1, 1, 6], [10, 30, 30, 60]),
            (("red", "green"), [4, 5], [10, 20]),
            (("nir", "swir", "lwir"), [1, 2, 6], [10, 20, 60]),
            (("a", "b", "c", "d", "e", "f"), [1.5] * 6, [30] * 6),
        ],
    )
    def test_band_of_the_same_name_keeps_its_filters(self, inflated, channels, filters, biases):
        assert inflated(channels) == (pytest.approx(filters), pytest.approx(biases))

    def test_numbers_are_no_names(self, inflated):
        assert inflated(("1", "2", "3", "4"), before=("1", "2", "3"))[0] == pytest.approx(
            [2.25] * 4
        )


class TestCommand:
    SIZES = (
        "generator=compact",
        "generator.channels=8",
        "generator.blocks=3",
        "optimiser.generator.lr=0",
    )
    STEPS = ("trainer.max_steps=1", "ema=null", "hydra.run.dir=run")

    def run(self, command, *given):
        tiny = [line for line in TINY if not line.startswith("generator")]
        return command("train", *tiny, *self.SIZES, *self.STEPS, *given)

    def bundle(self, folder):
        from safetensors.torch import load_file

        return load_file(folder / "run" / "model.safetensors")

    def test_run_starts_from_a_published_file(self, command, tmp_path):
        state = {name: tensor.float() for name, tensor in compact_state().items()}
        saved(tmp_path, {"params": state}, "published (1).pth")
        assert self.run(command, "weights=published (1).pth") == Outcome(0, "")
        after = self.bundle(tmp_path)
        ours = [("head.0", "body.0"), ("trunk.2.0", "body.6"), ("tail.0", "body.8")]
        for our, their in ours:
            for part in ("weight", "bias"):
                assert torch.equal(after[f"generator.{our}.{part}"], state[f"{their}.{part}"])

    def test_run_starts_from_what_fits(self, command, tmp_path):
        state = {name: tensor.float() for name, tensor in compact_state(scale=2).items()}
        saved(tmp_path, state)
        assert self.run(command, "weights=published.pth", "weights_match=partial") == Outcome(0, "")
        assert torch.equal(self.bundle(tmp_path)["generator.head.0.weight"], state["body.0.weight"])

    def test_run_starts_from_other_bands(self, command, tmp_path):
        trained = model(scale=(4, 4), channels=8)
        trained.card = replace(trained.card, channels=("R", "G", "B"))
        trained.save(tmp_path / "trained.safetensors")
        given = (
            "weights=trained.safetensors",
            "weights_match=inflate",
            "data.bands=[3,1]",
            "optimiser.generator.lr=0",
        )
        assert command("train", *TINY, *self.STEPS, *given) == Outcome(0, "")
        red, green, blue = trained.generator.head[0].weight.unbind(1)
        filters = self.bundle(tmp_path)["generator.head.0.weight"]
        torch.testing.assert_close(filters, torch.stack([blue + green / 2, red + green / 2], dim=1))

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            (["weights_match=partial"], "error: weights_match=partial needs weights=PATH."),
            (
                ["weights=published.pth", "weights_match=most"],
                "error: weights_match is 'most'; it must be one of",
            ),
            (
                ["weights=published.pth", "scale=2"],
                "is a model for scale (4, 4) and this run has scale (2, 2)",
            ),
        ],
    )
    def test_mistakes_are_told_in_one_line(self, command, tmp_path, given, message):
        saved(tmp_path, compact_state())
        outcome = self.run(command, *given)
        assert outcome.code == 1
        assert message in outcome.error
        assert "\n" not in outcome.error
