import re
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from srlab.mistakes import Mistake
from srlab.training.schedule import Schedule

STEPS = st.integers(0, 10**7)


@given(pretrain=STEPS, ramp=st.integers(1, 10**7), step=STEPS)
def test_share_is_the_clipped_line(pretrain, ramp, step):
    line = min(max(Fraction(step - pretrain, ramp), Fraction(0)), Fraction(1))
    assert Schedule(pretrain_steps=pretrain, ramp_steps=ramp).share(step) == float(line)


@given(pretrain=STEPS, ramp=STEPS, steps=st.tuples(STEPS, STEPS))
def test_share_never_falls_and_stays_between_nothing_and_all(pretrain, ramp, steps):
    schedule = Schedule(pretrain_steps=pretrain, ramp_steps=ramp)
    assert 0 <= schedule.share(min(steps)) <= schedule.share(max(steps)) <= 1


@pytest.mark.parametrize("pretrain", [0, 7])
def test_game_begins_at_the_end_of_pretraining(pretrain):
    """A ramp of no length is a switch."""
    schedule = Schedule(pretrain_steps=pretrain, ramp_steps=0)
    begun = [False] * pretrain + [True] * (10 - pretrain)
    assert [schedule.share(step) for step in range(10)] == [float(on) for on in begun]
    assert [schedule.trains_discriminator(step) for step in range(10)] == begun
    assert [schedule.runs_discriminator(step) for step in range(10)] == begun


@given(pretrain=STEPS, ramp=STEPS, step=STEPS)
def test_weight_is_never_on_before_the_discriminator_learns(pretrain, ramp, step):
    schedule = Schedule(pretrain_steps=pretrain, ramp_steps=ramp)
    assert schedule.trains_discriminator(step) or schedule.share(step) == 0


@pytest.mark.parametrize(("gap", "paused"), [(0.0, False), (0.5, False), (0.7, True)])
def test_discriminator_pauses_where_it_wins_by_more(gap, paused):
    values = {"discriminator/real": torch.tensor(0.2 + gap)}
    values["discriminator/fake"] = torch.tensor(0.2)
    schedule = Schedule(pretrain_steps=0, ramp_steps=0, pause_above=0.6)
    assert schedule.paused(values).item() == paused
    assert Schedule(pretrain_steps=0, ramp_steps=0).paused(values) is None


def test_discriminator_warms_up_before_the_generator_listens():
    schedule = Schedule(pretrain_steps=10, ramp_steps=0, discriminator_warmup_steps=4)
    assert [step for step in range(20) if schedule.trains_discriminator(step)] == list(range(6, 20))
    assert [schedule.share(step) for step in (9, 10)] == [0.0, 1.0]
    assert [schedule.runs_discriminator(step) for step in (5, 6, 10)] == [False, True, True]


def test_discriminator_learns_at_every_kth_update():
    schedule = Schedule(pretrain_steps=10, ramp_steps=0, discriminator_every=3)
    assert [step for step in range(20) if schedule.trains_discriminator(step)] == [10, 13, 16, 19]
    assert all(schedule.runs_discriminator(step) for step in range(10, 20))


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
    learnt = sum(schedule.trains_discriminator(step) for step in range(steps))
    assert schedule.discriminator_updates(steps) == learnt


def test_what_makes_no_sense_is_refused():
    cases = [
        (
            {"pretrain_steps": -1},
            "schedule.pretrain_steps is -1; give a whole number of generator updates >= 0.",
        ),
        (
            {"ramp_steps": 2.5},
            "schedule.ramp_steps is 2.5; give a whole number of generator updates >= 0.",
        ),
        (
            {"discriminator_warmup_steps": 11},
            "discriminator_warmup_steps is 11; the warm-up is the last part of pretraining",
        ),
        ({"discriminator_warmup_steps": -1}, "discriminator_warmup_steps is -1;"),
        (
            {"discriminator_every": 0},
            "discriminator_every is 0; give a whole number of generator updates >= 1.",
        ),
        ({"ramp": "square"}, "rises by 'square'"),
        (
            {"pause_above": 0.0},
            "pause_above is 0.0; give a difference of probabilities between 0 and 1, or null.",
        ),
        ({"pause_above": 1.0}, "pause_above is 1.0;"),
    ]
    for changed, message in cases:
        with pytest.raises(Mistake, match=re.escape(message)):
            Schedule(**{"pretrain_steps": 10, "ramp_steps": 0, **changed})
