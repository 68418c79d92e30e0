"""Properties of every discriminator, at any number of dimensions and of channels."""

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from srlab.discriminators import (
    ESRGANDiscriminator,
    Judgement,
    MultiscaleDiscriminator,
    PatchGANDiscriminator,
    SRGANDiscriminator,
    UNetDiscriminator,
)


def halved(crop, times=1):
    return tuple(side // 2**times for side in crop)


def less(crop, pixels):
    return tuple(side - pixels for side in crop)


def patchgan_shapes(crop, layers):
    """Widths and sizes of the features, then of the logits: 4-tap kernels, padded by 1."""
    features = [(2 * 2**i, *halved(crop, i + 1)) for i in range(layers)]
    features.append((2 * 2**layers, *less(halved(crop, layers), 1)))
    return features, [(1, *less(halved(crop, layers), 2))]


def multiscale_shapes(crop, layers, scales):
    features, logits = [], []
    for _ in range(scales):
        of_one = patchgan_shapes(crop, layers)
        features += of_one[0]
        logits += of_one[1]
        crop = tuple((side + 1) // 2 for side in crop)
    return features, logits


def esrgan_shapes(crop, layers):
    return [(2 * 2**i, *halved(crop, i)) for i in range(layers)], [(1,)]


def unet_shapes(crop, layers):
    down = [(2 * 2**i, *halved(crop, i)) for i in range(layers + 1)]
    return [*down, *down[-2::-1], down[0], down[0]], [(1, *crop)]


def srgan_shapes(crop):
    def reduced(times):
        return tuple(-(-side // 2**times) for side in crop)

    return [(2 * 2 ** (i // 2), *reduced((i + 1) // 2)) for i in range(8)], [(1,)]


@dataclass(frozen=True)
class Case:
    kind: Callable[..., nn.Module]
    minimum: int
    shapes: Callable[..., tuple[list, list]]
    shape_arguments: tuple = ()
    arguments: dict = field(default_factory=dict)

    def build(self, in_channels=3, spatial_dims=2, seed=0):
        torch.manual_seed(seed)
        arguments = {"in_channels": in_channels, "spatial_dims": spatial_dims, "channels": 2}
        return self.kind(**arguments, **self.arguments)

    def crops(self, spatial_dims):
        """The smallest, an odd and an even one, none of them a square."""
        least = self.minimum
        yield (least + 1, least, least + 2)[:spatial_dims]
        yield (least + 5, least + 3, least + 1)[:spatial_dims]
        yield (least + 2, least + 4, least)[:spatial_dims]


def patchgan(layers, normalisation):
    arguments = {"layers": layers, "normalisation": normalisation}
    return Case(PatchGANDiscriminator, 3 * 2**layers, patchgan_shapes, (layers,), arguments)


def esrgan(layers, normalisation):
    arguments = {"layers": layers, "normalisation": normalisation, **DENSE}
    return Case(ESRGANDiscriminator, 2**layers, esrgan_shapes, (layers,), arguments)


def multiscale(layers, scales, minimum):
    arguments = {"layers": layers, "scales": scales}
    return Case(MultiscaleDiscriminator, minimum, multiscale_shapes, (layers, scales), arguments)


DENSE = {"pooled_size": 2, "dense_channels": 4}
CASES = {
    "srgan": Case(SRGANDiscriminator, 16, srgan_shapes, arguments=DENSE),
    "patchgan-2-batch": patchgan(2, "batch"),
    "patchgan-1-spectral": patchgan(1, "spectral"),
    "esrgan-3-batch": esrgan(3, "batch"),
    "esrgan-1-spectral": esrgan(1, "spectral"),
    "esrgan-2-none": esrgan(2, "none"),
    "unet-1": Case(UNetDiscriminator, 2, unet_shapes, (1,), {"layers": 1}),
    "unet-3": Case(UNetDiscriminator, 8, unet_shapes, (3,), {"layers": 3}),
    # the sides 6 and 12 that a PatchGAN takes are a quarter of 21 and half of 23, rounded up
    "multiscale-1-3-instance": multiscale(1, 3, 21),
    "multiscale-2-2-instance": multiscale(2, 2, 23),
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def loss_of(logits, *, real):
    sign = -1 if real else 1
    return torch.stack([F.softplus(sign * head).mean() for head in logits]).mean()


def shapes_of(tensors):
    return [tuple(tensor.shape) for tensor in tensors]


@every_case
@pytest.mark.parametrize(("dims", "in_channels"), [(2, 13), (3, 1)])
def test_shapes_follow_from_the_crop(case, dims, in_channels):
    network = case.build(in_channels, dims)
    assert network.in_channels == in_channels
    for crop in case.crops(dims):
        features, logits = case.shapes(crop, *case.shape_arguments)
        judgement = network(torch.rand(3, in_channels, *crop))
        assert type(judgement) is Judgement
        assert type(judgement.logits) is type(judgement.features) is tuple
        assert shapes_of(judgement.logits) == [(3, *shape) for shape in logits]
        assert shapes_of(judgement.features) == [(3, *shape) for shape in features]
        assert all(tensor.isfinite().all() for tensor in (*judgement.logits, *judgement.features))


@every_case
def test_bfloat16_autocast_stays_near_float32(case):
    network = case.build(3, 2).eval()
    crop = list(case.crops(2))[1]
    image = torch.rand(2, 3, *crop)
    exact = network(image)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = network(image)
    pairs = zip((*rough.logits, *rough.features), (*exact.logits, *exact.features), strict=True)
    assert all((a.float() - b).norm() < 0.1 * b.norm() for a, b in pairs)


@every_case
def test_gradients_of_the_logits_reach_every_parameter_and_pixel(case):
    network = case.build(3, 3)
    image = torch.rand(3, 3, *list(case.crops(3))[1], requires_grad=True)
    loss_of(network(image).logits, real=True).backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    assert [name for name, grad in gradients.items() if grad is None or not grad.any()] == []
    assert all(gradient.isfinite().all() for gradient in (image.grad, *gradients.values()))
    assert image.grad.any(dim=0).any(dim=0).all()


@every_case
def test_smallest_crop_works_and_a_smaller_one_is_refused(case):
    network = case.build(3, 2)
    least = case.minimum
    assert network.minimum_size == least
    batch = torch.rand(2, 3, least, least)
    assert all(logit.numel() for logit in network(batch).logits)
    for axis in range(2):
        crop = torch.full((2,), least)
        crop[axis] -= 1
        said = f"got crops of {tuple(crop.tolist())} pixels; every side must be at least {least}"
        with pytest.raises(ValueError, match=re.escape(said)):
            network(torch.rand(2, 3, *crop))


@pytest.mark.parametrize(
    ("kind", "arguments", "least"),
    [
        (SRGANDiscriminator, {}, 16),
        (PatchGANDiscriminator, {}, 24),
        (MultiscaleDiscriminator, {}, 93),
        (MultiscaleDiscriminator, {"scales": 2}, 47),
        (ESRGANDiscriminator, {}, 32),
        (UNetDiscriminator, {}, 8),
    ],
)
def test_papers_depths_have_the_documented_smallest_crops(kind, arguments, least):
    network = kind(in_channels=1, channels=1, **arguments)
    network(torch.rand(2, 1, least, least))
    lower = "" if kind is SRGANDiscriminator else r", lower discriminator\..*"
    said = rf"at least {least}: raise data\.crop_size{lower} or choose discriminator=none\."
    with pytest.raises(ValueError, match=said):
        network(torch.rand(2, 1, least, least - 1))


@every_case
def test_seed_determines_the_state_and_the_state_the_training(case):
    """A network restored from its state goes on with the same bits, spectral norms included."""
    first, again, other = case.build(seed=0), case.build(seed=0), case.build(seed=1)
    before = first.state_dict()
    assert before.keys() == again.state_dict().keys()
    assert all(torch.equal(value, before[name]) for name, value in again.state_dict().items())
    image = torch.rand(2, 3, case.minimum + 1, case.minimum)
    first(image)
    other.load_state_dict(copy.deepcopy(first.state_dict()))
    networks = (first, other, copy.deepcopy(first))
    for _ in range(2):
        logits = [network(image).logits for network in networks]
        for heads in zip(*logits, strict=True):
            assert torch.equal(heads[0], heads[1])
            assert torch.equal(heads[0], heads[2])


@every_case
def test_a_step_of_the_game_lowers_the_discriminators_loss(case):
    """Judged for the generator between its own two passes, which are undone together."""
    network = case.build(3, 2)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    real = torch.rand(2, 3, *list(case.crops(2))[1])
    fake = (0.2 * torch.rand_like(real)).requires_grad_()

    def loss():
        on_real = network(real).logits
        network.requires_grad_(False)
        loss_of(network(fake).logits, real=True).backward()
        network.requires_grad_(True)
        return loss_of(on_real, real=True) + loss_of(network(fake.detach()).logits, real=False)

    before = loss()
    assert fake.grad.any()
    assert not any(p.grad is not None for p in network.parameters())
    before.backward()
    optimiser.step()
    assert loss() < before


@every_case
def test_logits_are_not_squashed(case):
    network = case.build().eval()
    for name, parameter in network.named_parameters():
        if name.endswith("bias") and parameter.numel() == 1:
            parameter.data.fill_(-7.0)
    logits = network(torch.zeros(1, 3, case.minimum, case.minimum)).logits
    assert all(logit.min() < -1 for logit in logits)


@pytest.mark.parametrize(
    ("kind", "least"),
    [(SRGANDiscriminator, 16), (ESRGANDiscriminator, 32)],
    ids=["srgan", "esrgan"],
)
def test_batch_norm_of_a_single_value_names_the_remedy(kind, least):
    network = kind(in_channels=3, channels=2, **DENSE)
    one = torch.rand(1, 3, least, least)
    remedy = "single value in each channel, and cannot train on that: raise loader.batch_size or"
    with pytest.raises(ValueError, match=remedy):
        network(one)
    assert network.eval()(one).logits[0].isfinite().all()
    network.train()
    assert network(one.repeat(2, 1, 1, 1)).logits[0].isfinite().all()
    assert network(torch.rand(1, 3, least, 2 * least)).logits[0].isfinite().all()


@pytest.mark.parametrize("kind", ["spectral", "none"])
def test_a_single_small_crop_is_enough_without_batch_norm(kind):
    network = ESRGANDiscriminator(in_channels=3, channels=2, normalisation=kind, **DENSE)
    assert network(torch.rand(1, 3, 32, 32)).logits[0].isfinite().all()


def test_wrong_arguments_are_refused():
    cases = [
        (PatchGANDiscriminator, {"layers": 0}, "layers is 0; it must be an integer of at least 1."),
        (PatchGANDiscriminator, {"normalisation": "group"}, "batch, instance, spectral, none."),
        (PatchGANDiscriminator, {"spatial_dims": 4}, "spatial_dims is 4; it must be 2"),
        (ESRGANDiscriminator, {"layers": 1.5}, "discriminator.layers is 1.5"),
        (ESRGANDiscriminator, {"normalisation": "instance"}, "one of batch, spectral, none."),
        (UNetDiscriminator, {"layers": 0}, "discriminator.layers is 0"),
        (MultiscaleDiscriminator, {"scales": 0}, "discriminator.scales is 0"),
        (MultiscaleDiscriminator, {"layers": -1}, "discriminator.layers is -1"),
    ]
    for kind, wrong, said in cases:
        with pytest.raises(ValueError, match=re.escape(said)):
            kind(in_channels=3, channels=2, **wrong)
