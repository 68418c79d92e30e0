import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srlab.losses import Ramp

STEPS = st.integers(0, 10**6)


@pytest.mark.parametrize("shape", ["linear", "cosine"])
def test_share_rises_by_the_formula(shape):
    for step, t in ((0, 0.0), (20, 0.0), (25, 0.25), (30, 0.5), (35, 0.75), (40, 1.0), (99, 1.0)):
        expected = {"linear": t, "cosine": math.sin(math.pi * t / 2) ** 2}[shape]
        assert Ramp(20, 20, shape).share(step) == pytest.approx(expected)


@settings(max_examples=30, deadline=None)
@given(
    start=STEPS,
    steps=STEPS,
    shape=st.sampled_from(["linear", "cosine"]),
    at=st.tuples(STEPS, STEPS),
)
def test_share_never_falls_and_ends_at_the_full_weight(start, steps, shape, at):
    ramp = Ramp(start, steps, shape)
    earlier, later = (ramp.share(step) for step in sorted(at))
    assert 0 <= earlier <= later <= 1
    assert ramp.share(start + steps) == 1


def test_none_switches_on():
    assert [Ramp(3, 0, "none").share(step) for step in range(5)] == [0, 0, 0, 1, 1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((0, 5, "none"), "a weight rises over 5 steps by 'none'; choose linear or cosine, or 0"),
        ((0, 5, "square"), "a weight rises by 'square'; choose one of none, linear, cosine."),
        ((-1, 5, "linear"), "a weight starts at step -1 and rises over 5;"),
        ((0, -5, "linear"), "a weight starts at step 0 and rises over -5;"),
    ],
    ids=str,
)
def test_nonsense_is_refused(given, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Ramp(*given)
