import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from srlab.adversarial import R1, WGANGP
from srlab.discriminators import (
    ESRGANDiscriminator,
    Judgement,
    MultiscaleDiscriminator,
    PatchGANDiscriminator,
    SRGANDiscriminator,
    UNetDiscriminator,
)

sizes = pytest.mark.parametrize("size", [(3, 2, 5, 4), (2, 1, 3, 4, 5)], ids=str)
both = pytest.mark.parametrize(
    "penalty", [R1(gamma=3.0, interval=1), WGANGP(weight=3.0)], ids=["R1", "WGANGP"]
)


def random(*size, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, dtype=torch.float64, generator=generator).to(dtype)


def images(*size, dtype=torch.float64):
    """A fake and a real batch."""
    return random(*size, dtype=dtype), random(*size, dtype=dtype, seed=1)


class Critic(nn.Module):
    """Logits that are functions of the image, one for each head; it remembers what it saw."""

    def __init__(self, *heads):
        super().__init__()
        self.heads, self.seen = heads, []

    def forward(self, image):
        self.seen.append(image.detach())
        return Judgement(tuple(head(image) for head in self.heads), ())


def linear(weight):
    """``D(x) = w·x``, a logit ``(B, 1)``."""
    return lambda image: (image * weight).flatten(1).sum(1, keepdim=True)


def pointwise(weight):
    """``D(x) = w·x`` at each pixel, a map ``(B, 1, *S)``."""
    return lambda image: (image * weight.view(-1, *[1] * (image.ndim - 2))).sum(1, keepdim=True)


@sizes
def test_r1_of_a_linear_discriminator(size):
    weight = random(*size[1:]).requires_grad_()
    loss = R1(gamma=3.0, interval=1)(Critic(linear(weight)), *images(*size))
    torch.testing.assert_close(loss, 3 / 2 * weight.square().sum())
    torch.testing.assert_close(torch.autograd.grad(loss, weight)[0], 3 * weight)


@sizes
def test_r1_of_a_quadratic_discriminator(size):
    # ∇(a/2·‖x‖²) = a·x
    curvature = torch.tensor(1.7, dtype=torch.float64, requires_grad=True)
    critic = Critic(lambda image: curvature / 2 * image.square().flatten(1).sum(1))
    fake, real = images(*size)
    loss = R1(gamma=3.0, interval=1)(critic, fake, real)
    energy = real.square().sum() / len(real)
    torch.testing.assert_close(loss, 3 / 2 * curvature**2 * energy)
    torch.testing.assert_close(torch.autograd.grad(loss, curvature)[0], 3 * curvature * energy)


def test_r1_looks_at_real_images_alone():
    critic = Critic(linear(random(2, 5, 4)))
    real = random(3, 2, 5, 4, seed=1)
    R1()(critic, torch.full_like(real, torch.nan), real)
    assert len(critic.seen) == 1
    assert torch.equal(critic.seen[0], real)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 12), (7, 5)])
def test_size_of_a_map_of_patches_does_not_matter(height, width):
    weight = random(3)
    critic, norm, pair = Critic(pointwise(weight)), weight.norm(), images(2, 3, height, width)
    torch.testing.assert_close(R1(gamma=3.0, interval=1)(critic, *pair), 3 / 2 * norm**2)
    torch.testing.assert_close(WGANGP(weight=3.0)(critic, *pair), 3 * (norm - 1) ** 2)


def test_separate_patches_are_images_of_their_own():
    layer = nn.Conv2d(2, 1, 4, stride=4).double()
    patches = random(2, 2, 8, 12)
    apart = patches.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5).reshape(-1, 2, 4, 4)
    critic = Critic(lambda image: layer(image).square())
    torch.testing.assert_close(R1()(critic, patches, patches), R1()(critic, apart, apart))


@both
def test_heads_are_averaged(penalty):
    heads = [linear(random(2, 5, 4)), pointwise(random(2, seed=3))]
    fake, real = images(3, 2, 5, 4)
    alone = [penalty(Critic(head), fake, real) for head in heads]
    torch.testing.assert_close(penalty(Critic(*heads), fake, real), sum(alone) / 2)


@sizes
def test_wgan_gp_of_a_linear_discriminator(size):
    for norm in (0.0, 0.3, 1.0, 4.0):
        weight = random(*size[1:])
        weight = (weight / weight.norm() * norm).requires_grad_()
        loss = WGANGP(weight=10.0)(Critic(linear(weight)), *images(*size))
        assert loss.item() == pytest.approx(10 * (norm - 1) ** 2, abs=1e-12)
        # 20·(norm - 1) along the weight: nothing at a slope of 1, and of a flat critic zero
        expected = 20 * (norm - 1) * weight.detach() / max(norm, 1e-9)
        torch.testing.assert_close(torch.autograd.grad(loss, weight)[0], expected)


@sizes
def test_wgan_gp_looks_between_fake_and_real(size):
    critic = Critic(linear(random(*size[1:])))
    fake, real = images(*size)
    torch.manual_seed(5)
    WGANGP()(critic, fake, real)
    shares = ((critic.seen[0] - real) / (fake - real)).flatten(1)
    torch.testing.assert_close(shares, shares[:, :1].expand_as(shares))  # one for each image
    assert ((shares >= 0) & (shares < 1)).all()
    assert len(shares[:, 0].unique()) == len(real)
    torch.manual_seed(5)
    WGANGP()(critic, fake, real)
    assert torch.equal(critic.seen[1], critic.seen[0])
    WGANGP()(critic, fake, real)
    assert not torch.equal(critic.seen[2], critic.seen[0])


def test_wgan_gp_draws_shares_uniformly():
    critic = Critic(linear(torch.ones(1, 1, 1, dtype=torch.float64)))
    torch.manual_seed(0)
    WGANGP()(critic, torch.ones(4000, 1, 1, 1), torch.zeros(4000, 1, 1, 1))
    counts = torch.histc(critic.seen[0].flatten(), bins=10, min=0, max=1)
    assert ((counts - 400).abs() < 5 * 19).all()  # five standard deviations of Binomial(4000, 0.1)


@both
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_flat_discriminator_has_finite_gradients(penalty, dtype):
    weight = torch.zeros(2, 5, 4, requires_grad=True)
    loss = penalty(Critic(linear(weight)), *images(3, 2, 5, 4, dtype=dtype))
    assert loss.item() == {R1: 0, WGANGP: 3}[type(penalty)]
    assert torch.equal(torch.autograd.grad(loss, weight)[0], torch.zeros(2, 5, 4))


@both
@pytest.mark.parametrize("value", [0.0, 1e4])
def test_extreme_images_have_finite_gradients(penalty, value):
    torch.manual_seed(0)
    critic = PatchGANDiscriminator(in_channels=2, channels=2, layers=1, normalisation="instance")
    spike = torch.zeros(2, 2, 8, 8)
    spike[..., 4, 4] = value
    loss = penalty(critic, torch.full((2, 2, 8, 8), value), spike)
    loss.backward()
    assert loss.isfinite()
    gradients = [weight.grad for weight in critic.parameters() if weight.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)


@both
@pytest.mark.parametrize(
    ("dims", "convolve"), [(2, nn.functional.conv2d), (3, nn.functional.conv3d)], ids=["2D", "3D"]
)
def test_second_order_gradient_matches_finite_differences(penalty, dims, convolve):
    pair = images(2, 1, *[3] * dims)

    def value(first, second):
        torch.manual_seed(0)
        critic = Critic(lambda image: convolve(convolve(image, first, padding=1).tanh(), second))
        return penalty(critic, *pair)

    shapes = (1, 1, *[3] * dims), (1, 1, *[2] * dims)
    weights = [random(*shape, seed=2).mul(0.3).requires_grad_() for shape in shapes]
    assert torch.autograd.gradcheck(value, weights)


DENSE = {"pooled_size": 1, "dense_channels": 4}
DISCRIMINATORS = [
    (SRGANDiscriminator, DENSE),
    (ESRGANDiscriminator, {"layers": 2, **DENSE}),
    (UNetDiscriminator, {"layers": 2}),
    (PatchGANDiscriminator, {"layers": 1, "normalisation": "batch"}),
    (PatchGANDiscriminator, {"layers": 1, "normalisation": "spectral"}),
    (MultiscaleDiscriminator, {"layers": 1, "scales": 2}),
]


@both
@pytest.mark.parametrize(("kind", "arguments"), DISCRIMINATORS)
def test_gradient_reaches_every_weight_of_every_discriminator(penalty, kind, arguments):
    torch.manual_seed(0)
    critic = kind(in_channels=1, channels=2, **arguments)
    penalty(critic, *images(2, 1, 16, 18, dtype=torch.float32)).backward()
    for path, parameter in critic.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), path
        if parameter.ndim > 1:  # a bias moves a piecewise linear network's value, not its slope
            assert parameter.grad.abs().sum() > 0, path


@both
def test_penalty_joins_the_loss_of_the_same_update(penalty):
    """Spectral normalisation changes its vectors in each pass; earlier ones still go backward."""
    torch.manual_seed(0)
    critic = UNetDiscriminator(in_channels=1, channels=2, layers=1)
    fake, real = images(2, 1, 8, 8, dtype=torch.float32)
    loss = critic(fake).logits[0].mean() - critic(real).logits[0].mean()
    (loss + penalty(critic, fake, real)).backward()
    assert all(parameter.grad.isfinite().all() for parameter in critic.parameters())


@both
def test_only_parameters_receive_gradients_and_images_stay_as_they_were(penalty):
    weight = random(2, 5, 4).requires_grad_()
    critic = Critic(lambda image: linear(weight)(image).square())
    fake, real = images(3, 2, 5, 4)
    penalty(critic, fake, real)
    assert not fake.requires_grad
    assert not real.requires_grad
    fake.requires_grad_()
    real.requires_grad_()
    penalty(critic, fake, real).backward()
    assert weight.grad is not None
    assert fake.grad is real.grad is None


@both
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_computed_in_float32_under_autocast(penalty, dtype):
    torch.manual_seed(0)
    layer = nn.Conv2d(2, 1, 3)
    fake, real = images(2, 2, 8, 8, dtype=dtype)

    def value(*pair):
        torch.manual_seed(0)
        return penalty(Critic(lambda image: layer(image).square()), *pair)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = value(fake, real)
    layer.double()
    assert inside.dtype == torch.float32
    exact = value(fake.double(), real.double())
    torch.testing.assert_close(inside.double(), exact, rtol=1e-5, atol=0)


@pytest.mark.parametrize("kind", [R1, WGANGP])
@settings(max_examples=15, deadline=None)
@given(interval=st.integers(1, 40), start=st.integers(0, 1000))
def test_lazy_penalty_counts_for_the_updates_it_skips(kind, interval, start):
    lazy, steady = kind(interval=interval), kind(interval=1)
    critic, image = Critic(linear(random(1, 2, 2))), random(2, 1, 2, 2)
    assert sum(lazy.due(update) for update in range(start, start + interval)) == 1
    assert all(steady.due(update) for update in range(start, start + 3))
    torch.testing.assert_close(lazy(critic, image, image), interval * steady(critic, image, image))


def test_weight_must_be_one():
    for value in [-1.0, float("nan"), float("inf")]:
        for kind, name in [(R1, "gamma"), (WGANGP, "weight")]:
            message = f"penalty.{name} is {value}; it must be a finite number of at least 0."
            with pytest.raises(ValueError, match=re.escape(message)):
                kind(**{name: value})


def test_interval_must_count_updates():
    for kind in [R1, WGANGP]:
        for value in [0, 2.5, float("nan"), True]:
            message = (
                f"penalty.interval is {value}; it must be a whole number of updates, at least 1."
            )
            with pytest.raises(ValueError, match=re.escape(message)):
                kind(interval=value)
