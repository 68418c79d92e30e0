import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from term_checks import (
    assert_finite_at_extremes,
    assert_gradient_is_derivative,
    context,
    random,
    value,
)
from torch import nn

from srlab.losses import L1
from srlab.losses.slices import Slices
from srlab.losses.vgg import PerceptualVGG

SIZE = (2, 3, 6, 7, 8)


class Seen(nn.Module):
    """A scalar term that keeps the images and the context it saw."""

    def forward(self, sr, hr, context):
        self.sr, self.hr, self.context = sr, hr, context
        return (sr - hr).square().mean()


def vgg():
    return PerceptualVGG(layers=["conv1_2"], weights="random")


def volumes(**changed):
    """A context of volumes that are valid everywhere."""
    volume = torch.zeros(2, 3, 6, 7, 8)
    return context(**{"lr": volume, "lr_physical": volume, "hr_physical": volume, **changed})


def compared(term, sr, hr, **changed):
    return value(term, sr, hr, lr=sr, lr_physical=sr, **changed)


def numbered(axis, size=SIZE):
    """A volume whose values are the positions along an axis."""
    shape = [1] * 5
    shape[2 + axis] = size[2 + axis]
    return torch.arange(size[2 + axis], dtype=torch.float64).view(shape).expand(size).clone()


def positions(axis, count, step):
    """The positions of the slices that a term sees."""
    term, volume = Seen(), numbered(axis)
    Slices(term=term, axis=axis, count=count)(volume, volume, volumes(step=step))
    return [int(part.flatten()[0]) for part in term.sr.chunk(len(term.sr) // SIZE[0])]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_equals_a_loop_over_the_slices(axis):
    sr, hr = random(*SIZE), random(*SIZE, seed=1)
    term, expected = vgg().double(), []
    for position in positions(axis, 3, step=11):
        expected.append(value(term, sr.select(2 + axis, position), hr.select(2 + axis, position)))
    got = compared(Slices(term=term, axis=axis, count=3), sr, hr, step=11)
    torch.testing.assert_close(got, torch.stack(expected).mean())


@settings(max_examples=20, deadline=None)
@given(axis=st.integers(0, 2), count=st.integers(1, 9), step=st.integers(0, 10**7))
def test_slices_are_distinct_and_the_same_at_the_same_step(axis, count, step):
    first = positions(axis, count, step)
    assert first == positions(axis, count, step)
    assert len(set(first)) == len(first) == min(count, SIZE[2 + axis])


@settings(max_examples=10, deadline=None)
@given(count=st.integers(1, 9), turn=st.integers(0, 1000))
def test_every_slice_has_its_turn(count, turn):
    rounds = -(-8 // count)
    seen = set()
    for step in range(turn * rounds, (turn + 1) * rounds):
        seen.update(positions(2, count, step))
    assert seen == set(range(8))


def test_steps_differ():
    assert len({tuple(positions(0, 2, step)) for step in range(30)}) > 10


def test_global_seed_neither_matters_nor_changes():
    torch.manual_seed(1)
    first = positions(0, 2, step=3)
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), after)
    torch.manual_seed(2)
    assert positions(0, 2, step=3) == first


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_context_is_cut_in_the_same_places(axis):
    scale, small = (3, 1, 2), (2, 3, 2, 7, 4)
    lr, hr, valid = numbered(axis, small), numbered(axis), random(2, 1, *SIZE[2:]) > 0.4
    term, count = Seen(), torch.tensor(4)
    whole = {"lr": lr, "lr_physical": lr + 100, "hr_physical": hr + 50, "valid": valid}
    given = context(**whole, valid_count=count, step=5)
    Slices(term=term, axis=axis, count=3)(random(*SIZE), random(*SIZE), given)
    for place, cut in enumerate(positions(axis, 3, step=5)):
        batch = slice(2 * place, 2 * place + 2)
        assert torch.equal(term.context.valid[batch], valid.select(2 + axis, cut))
        assert (term.context.hr_physical[batch] == cut + 50).all()
        assert (term.context.lr[batch] == cut // scale[axis]).all()
        assert (term.context.lr_physical[batch] == cut // scale[axis] + 100).all()
    assert term.context.lr.shape == (6, *lr.select(2 + axis, 0).shape[1:])
    assert (term.context.step, term.context.valid_count) == (5, count)
    message = "a slice cannot be degraded without its neighbours; use the term on"
    with pytest.raises(ValueError, match=re.escape(message)):
        term.context.degrade(lr)


def test_everywhere_valid_stays_so():
    term = Seen()
    Slices(term=term)(random(*SIZE), random(*SIZE), volumes())
    assert term.context.valid is None


@pytest.mark.parametrize(("space", "factor"), [("physical", 100), ("network", 1)])
def test_space_is_the_terms(space, factor):
    term = Seen()
    term.space = space
    sr, hr = random(*SIZE), random(*SIZE, seed=1)
    whole = Slices(term=term, axis=1, count=7)
    got = compared(whole, sr, hr, denormalise=lambda image: 10 * image)
    torch.testing.assert_close(got, (sr - hr).square().mean() * factor)


def test_hidden_pixels_are_hidden_in_the_slices():
    sr, hr, valid = random(*SIZE), random(*SIZE, seed=1), random(2, 1, *SIZE[2:], seed=2) > 0.4
    term = Slices(term=vgg().double(), count=6)
    shown = compared(term, sr, torch.where(valid, hr, 0.0), valid=valid)
    for fill in (torch.nan, 1e30):
        assert compared(term, sr, torch.where(valid, hr, fill), valid=valid) == shown


def test_gradient_is_the_derivative():
    size = (1, 1, 2, 3, 4)
    term = Slices(term=vgg(), axis=1, count=2).double()
    assert_gradient_is_derivative(term, *size, lr=random(*size), lr_physical=random(*size))


def test_finite_at_extremes():
    term, lr = Slices(term=vgg(), count=2), torch.zeros(1, 1, 3, 4, 4)
    assert_finite_at_extremes(term, *lr.shape[1:], lr=lr, lr_physical=lr)


def test_images_are_refused():
    image = random(1, 3, 4, 4)
    message = (
        "Slices takes volumes (B, C, D, H, W), and these have the shape (1, 3, 4, 4); use the "
        "term itself for images."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        compared(Slices(term=Seen()), image, image)


def test_pixel_terms_are_refused():
    message = "L1 compares pixel by pixel and takes volumes itself."
    with pytest.raises(ValueError, match=re.escape(message)):
        compared(Slices(term=L1()), random(*SIZE), random(*SIZE))


def test_arguments_that_do_not_fit_are_refused():
    cases = [
        ({"axis": 3}, "axis is 3; it must be 0, 1 or 2, a spatial axis of the volumes."),
        ({"axis": -1}, "axis is -1; it must be 0, 1 or 2, a spatial axis of the volumes."),
        ({"count": 0}, "count is 0; give a number of slices >= 1."),
    ]
    for changed, message in cases:
        with pytest.raises(ValueError, match=re.escape(message)):
            Slices(term=Seen(), **changed)
