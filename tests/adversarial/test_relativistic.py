import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit
from torch import distributed, multiprocessing, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from srlab.adversarial import Relativistic
from srlab.adversarial.ranks import mean_over_ranks

values = arrays(np.float64, (2, 1, 3, 2), elements=st.floats(-5, 5))
SIDES = ("generator_loss", "discriminator_loss")


@settings(max_examples=25, deadline=None)
@given(fake=values, real=values, smoothing=st.floats(0, 0.9))
def test_matches_the_formula(fake, real, smoothing):
    heads = (torch.tensor(fake),), (torch.tensor(real),)
    real_over_fake, fake_over_real = expit(real - fake.mean()), expit(fake - real.mean())
    on_real = -(1 - smoothing) * np.log(real_over_fake) - smoothing * np.log(1 - real_over_fake)
    expected = on_real.mean() - np.log(1 - fake_over_real).mean()
    objective = Relativistic(label_smoothing=smoothing)
    assert objective.discriminator_loss(*heads).item() == pytest.approx(expected)
    expected = -np.log(1 - real_over_fake).mean() - np.log(fake_over_real).mean()
    assert objective.generator_loss(*heads).item() == pytest.approx(expected)


def test_equal_logits_are_undecided():
    for side in SIDES:
        for logit in [-1e4, 0.0, 3.0, 1e4]:
            heads = (torch.full((3, 1), logit, dtype=torch.float64),)
            assert getattr(Relativistic(), side)(heads, heads).item() == pytest.approx(
                2 * math.log(2)
            )


@settings(max_examples=25, deadline=None)
@given(fake=values, real=values, shift=st.floats(-1e3, 1e3))
def test_only_differences_count_and_the_sides_mirror_each_other(fake, real, shift):
    heads = (torch.tensor(fake),), (torch.tensor(real),)
    moved = (torch.tensor(fake + shift),), (torch.tensor(real + shift),)
    loss = Relativistic().generator_loss(*heads)
    torch.testing.assert_close(loss, Relativistic().discriminator_loss(*reversed(heads)))
    for side in SIDES:
        still = getattr(Relativistic(), side)(*heads)
        torch.testing.assert_close(
            getattr(Relativistic(), side)(*moved), still, rtol=1e-9, atol=1e-9
        )


def test_generator_gains_from_less_realistic_real_images():
    fake, real = (
        torch.tensor(x, dtype=torch.float64).requires_grad_()
        for x in ([[-1.0], [0.5]], [[2.0], [1.0]])
    )
    (gradient,) = torch.autograd.grad(Relativistic().generator_loss((fake,), (real,)), real)
    assert (gradient > 0).all()


def test_smoothing_must_leave_a_label():
    with pytest.raises(ValueError, match="it must be at least 0 and below 1"):
        Relativistic(label_smoothing=1.0)


def test_alone_a_process_is_its_own_average():
    value = torch.tensor(2.5, requires_grad=True)
    assert mean_over_ranks(value) is value


class Game(nn.Module):
    """A generator and a discriminator of two heads, a map and a single logit; all in float64."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.generator, self.map = nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3)
        self.whole = nn.Linear(36, 1)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, dtype=torch.float64, generator=generator)

    def forward(self, lr, hr):
        return tuple(
            (self.map(image), self.whole(image.flatten(1))) for image in (self.generator(lr), hr)
        )


def batch():
    generator = torch.Generator().manual_seed(1)
    return tuple(
        torch.randn(4, 1, side, side, dtype=torch.float64, generator=generator) for side in (8, 6)
    )


def averaged(gradient):
    """What data parallelism does with the gradients of a parameter."""
    distributed.all_reduce(gradient)
    return gradient / distributed.get_world_size()


def rank_of_two(rank, folder):
    """Save the losses and gradients of one half of the batch.

    Without `DistributedDataParallel`: it keeps the threads of a destroyed group alive, and one that
    still holds a tensor when Python ends aborts the process.
    """
    torch.set_num_threads(1)
    meeting = f"file://{folder}/meeting"
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    try:
        game = Game()
        half = [images[2 * rank : 2 * rank + 2] for images in batch()]
        results = {}
        for side in SIDES:
            game.zero_grad()
            loss = getattr(Relativistic(label_smoothing=0.1), side)(*game(*half))
            loss.backward()
            gradients = [averaged(parameter.grad) for parameter in game.parameters()]
            results[side] = loss.detach(), gradients
        torch.save(results, f"{folder}/{rank}.pt")
    finally:
        distributed.destroy_process_group()


@pytest.mark.slow
def test_two_ranks_equal_one_process_with_the_whole_batch(tmp_path, monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    multiprocessing.spawn(rank_of_two, args=(str(tmp_path),), nprocs=2)
    ranks = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    for side, smoothing in zip(SIDES, (0.0, 0.1), strict=True):
        game = Game()
        loss = 0
        for fake, real in zip(*game(*batch()), strict=True):
            better, worse = (fake, real) if side == "generator_loss" else (real, fake)
            for kind, other, label in ((better, worse, 1 - smoothing), (worse, better, 0.0)):
                loss = loss + cross_entropy(kind - other.mean(), torch.full_like(kind, label)) / 2
        loss.backward()
        torch.testing.assert_close((ranks[0][side][0] + ranks[1][side][0]) / 2, loss.detach())
        gradients = [parameter.grad for parameter in game.parameters()]
        for rank in ranks:
            torch.testing.assert_close(rank[side][1], gradients)
