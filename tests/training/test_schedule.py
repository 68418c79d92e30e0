import re
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from srlab.training.schedule import Schedule

STEPS = st.integers(0, 10**7)


@pytest.mark.parametrize(
    ("step", "share"),
    [
        (0, 0.0),
        (19, 0.0),
        (20, 0.0),
        (25, 0.25),
        (30, 0.5),
        (39, 0.95),
        (40, 1.0),
        (41, 1.0),
        (10**9, 1.0),
    ],
)
def test_weight_rises_linearly_after_pretraining(step, share):
    assert Schedule(pretrain_steps=20, ramp_steps=20).share(step) == share


@given(pretrain=STEPS, ramp=st.integers(1, 10**7), step=STEPS)
def test_share_is_the_clipped_line(pretrain, ramp, step):
    line = min(max(Fraction(step - pretrain, ramp), Fraction(0)), Fraction(1))
    assert Schedule(pretrain_steps=pretrain, ramp_steps=ramp).share(step) == float(line)


@given(pretrain=STEPS, ramp=STEPS, steps=st.tuples(STEPS, STEPS))
def test_share_never_falls_and_stays_between_nothing_and_all(pretrain, ramp, steps):
    earlier, later = (
        Schedule(pretrain_steps=pretrain, ramp_steps=ramp).share(step) for step in sorted(steps)
    )
    assert 0 <= earlier <= later <= 1


@pytest.mark.parametrize("pretrain", [0, 7])
def test_ramp_of_no_length_is_a_switch(pretrain):
    schedule = Schedule(pretrain_steps=pretrain, ramp_steps=0)
    assert [schedule.share(step) for step in range(10)] == [0.0] * pretrain + [1.0] * (
        10 - pretrain
    )


@pytest.mark.parametrize("pretrain", [0, 1, 20])
def test_discriminator_learns_from_the_end_of_pretraining_on(pretrain):
    schedule = Schedule(pretrain_steps=pretrain, ramp_steps=5)
    assert [schedule.discriminator(step) for step in range(25)] == [False] * pretrain + [True] * (
        25 - pretrain
    )


@given(pretrain=STEPS, ramp=STEPS, step=STEPS)
def test_weight_is_never_on_before_the_discriminator_learns(pretrain, ramp, step):
    schedule = Schedule(pretrain_steps=pretrain, ramp_steps=ramp)
    assert schedule.discriminator(step) or schedule.share(step) == 0


@pytest.mark.parametrize(("pretrain", "ramp"), [(-1, 0), (0, -1)])
def test_phases_cannot_be_negative(pretrain, ramp):
    message = f"schedule.pretrain_steps {pretrain} and schedule.ramp_steps {ramp} count generator updates;"
    with pytest.raises(ValueError, match=re.escape(message)):
        Schedule(pretrain_steps=pretrain, ramp_steps=ramp)


@pytest.mark.parametrize(("gap", "paused"), [(0.0, False), (0.5, False), (0.7, True)])
def test_discriminator_pauses_where_it_wins_by_more(gap, paused):
    values = {
        "discriminator/real": torch.tensor(0.2 + gap),
        "discriminator/fake": torch.tensor(0.2),
    }
    schedule = Schedule(pretrain_steps=0, ramp_steps=0, pause_above=0.6)
    assert schedule.paused(values).item() == paused
    assert Schedule(pretrain_steps=0, ramp_steps=0).paused(values) is None


@pytest.mark.parametrize("gap", [-0.5, 0.0, 1.0])
def test_gap_to_pause_at_is_one_of_probabilities(gap):
    message = f"schedule.pause_above is {gap}; give a difference of probabilities between 0 and 1, or null."
    with pytest.raises(ValueError, match=re.escape(message)):
        Schedule(pretrain_steps=0, ramp_steps=0, pause_above=gap)


def test_discriminator_warms_up_before_the_generator_listens():
    schedule = Schedule(pretrain_steps=10, ramp_steps=0, discriminator_warmup_steps=4)
    assert [step for step in range(20) if schedule.discriminator(step)] == list(range(6, 20))
    assert [schedule.share(step) for step in (9, 10)] == [0.0, 1.0]
    assert [schedule.game(step) for step in (5, 6, 10)] == [False, True, True]


def test_discriminator_learns_at_every_kth_update():
    schedule = Schedule(pretrain_steps=10, ramp_steps=0, discriminator_every=3)
    assert [step for step in range(20) if schedule.discriminator(step)] == [10, 13, 16, 19]
    assert all(schedule.game(step) for step in range(10, 20))


@given(
    pretrain=st.integers(0, 30),
    warmup=st.integers(0, 30),
    every=st.integers(1, 9),
    steps=st.integers(0, 90),
)
def test_updates_of_the_discriminator_are_counted(pretrain, warmup, every, steps):
    schedule = Schedule(
        pretrain_steps=pretrain,
        ramp_steps=0,
        discriminator_warmup_steps=min(warmup, pretrain),
        discriminator_every=every,
    )
    assert schedule.discriminator_updates(steps) == sum(
        schedule.discriminator(step) for step in range(steps)
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"discriminator_warmup_steps": 11},
            "discriminator_warmup_steps is 11; they are the last of pretraining",
        ),
        ({"discriminator_warmup_steps": -1}, "discriminator_warmup_steps is -1;"),
        (
            {"discriminator_every": 0},
            "discriminator_every is 0; give a number of generator updates >= 1.",
        ),
        ({"ramp": "square"}, "rises by 'square'"),
    ],
)
def test_what_makes_no_sense_is_refused(given, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Schedule(pretrain_steps=10, ramp_steps=0, **given)
