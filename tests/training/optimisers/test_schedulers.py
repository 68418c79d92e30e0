import io
import re
from functools import partial

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
)

from srlab.cli.configuration import composed
from srlab.training.optimisers.schedulers import Chained, Piecewise, Plateau, Validated, Warmup

LR, STEPS, CADENCE = 0.2, 150, 7
VALIDATIONS = STEPS // CADENCE
DIGITS = {
    "mode": "max",
    "factor": 0.5,
    "patience": 1,
    "cooldown": 1,
    "threshold": 0.01,
    "min_lr": 1e-3,
}
plateau = partial(Plateau, monitor="val/psnr", **DIGITS)
constant = partial(ConstantLR, factor=1.0)
cosine = partial(CosineAnnealingLR, T_max=STEPS, eta_min=1e-3)
multistep = partial(MultiStepLR, milestones=[20, 90, 91], gamma=0.3)
piecewise = partial(Piecewise, milestones=[20, 90, 91], factors=[1.0, 0.5, 2.0, 0.1])
one_cycle = partial(OneCycleLR, max_lr=0.5, total_steps=STEPS, cycle_momentum=False)


def warmup(then, steps=40, shape="linear"):
    return partial(Warmup, steps=steps, shape=shape, then=then)


def chained(first, then, steps=80):
    return partial(Chained, first=first, steps=steps, then=then)


SCHEDULERS = {
    "constant": constant,
    "cosine": cosine,
    "multistep": multistep,
    "one_cycle": one_cycle,
    "piecewise": piecewise,
    "plateau": plateau,
    "warmup": warmup(constant),
    "warmup_cosine": warmup(cosine, shape="cosine"),
    "warmup_multistep": warmup(multistep, steps=60),
    "warmup_plateau": warmup(plateau),
    "warmup_warmup": warmup(warmup(cosine, steps=90)),
    "cosine_then_multistep": chained(cosine, multistep),
    "one_cycle_then_one_cycle": chained(one_cycle, partial(one_cycle, max_lr=0.1)),
    "one_cycle_then_cosine": chained(one_cycle, cosine),
    "plateau_then_warmup": chained(plateau, warmup(cosine)),
    "warmup_then_chain_then_plateau": warmup(
        chained(constant, chained(multistep, plateau, 30)), steps=20
    ),
}


def optimiser(*rates):
    groups = [{"params": [nn.Parameter(torch.zeros(2))], "lr": rate} for rate in rates or (LR,)]
    return torch.optim.SGD(groups, lr=LR)


def rates_of(scheduler, updates, metrics=()):
    """The rate of each update, which `get_last_lr` says, with a validation at every seventh."""
    metrics, rates = iter(metrics), []
    for step in updates:
        rates.append([group["lr"] for group in scheduler.optimizer.param_groups])
        assert rates[-1] == scheduler.get_last_lr()
        scheduler.optimizer.step()
        scheduler.step()
        if isinstance(scheduler, Validated) and (step + 1) % CADENCE == 0:
            scheduler.validated({"val/psnr": next(metrics, 0.0), "val/ssim": 0.5})
    return np.array(rates)


N = np.arange(1, STEPS + 1)  # updates count from 1
RISE = {"linear": lambda t: t, "cosine": lambda t: np.sin(np.pi * t / 2) ** 2}
FALL = np.cos(np.pi * (N - 1) / STEPS / 2) ** 2
CURVES = {
    "constant": (constant, LR + 0 * N),
    "cosine": (cosine, 1e-3 + (LR - 1e-3) * FALL),
    "multistep": (multistep, LR * 0.3 ** np.digitize(N, [21, 91, 92])),
}


@pytest.mark.parametrize("then", CURVES)
def test_warmup_multiplies_what_follows(then):
    for shape in RISE:
        make, curve = CURVES[then]
        for steps in (0, 1, 50, 1000):
            t = np.minimum(N / max(steps, 1), 1)
            found = rates_of(warmup(make, steps, shape)(optimiser()), range(STEPS))[:, 0]
            np.testing.assert_allclose(found, RISE[shape](t) * curve, rtol=1e-9)


def test_warmup_of_one_cycle_is_both():
    alone = rates_of(one_cycle(optimiser()), range(STEPS - 1))
    both = rates_of(warmup(one_cycle)(optimiser()), range(STEPS - 1))
    np.testing.assert_allclose(both[:, 0], np.minimum(N[:-1] / 40, 1) * alone[:, 0], rtol=1e-12)


def test_each_group_keeps_its_own_rate():
    found = rates_of(warmup(cosine)(optimiser(0.1, 0.3)), range(STEPS))
    for column, rate in enumerate((0.1, 0.3)):
        expected = np.minimum(N / 40, 1) * (1e-3 + (rate - 1e-3) * FALL)
        np.testing.assert_allclose(found[:, column], expected, rtol=1e-9)


SCORE = st.integers(-3, 3).map(float) | st.floats(-40, 40) | st.just(float("nan"))
SCORES = st.lists(SCORE, max_size=VALIDATIONS)


@settings(max_examples=25, deadline=None)
@given(
    scores=SCORES,
    warm=st.integers(1, 120),
    mode=st.sampled_from(["max", "min"]),
    patience=st.integers(0, 3),
)
def test_plateau_falls_when_torchs_own_does(scores, warm, mode, patience):
    arguments = DIGITS | {"mode": mode, "patience": patience}
    reference = ReduceLROnPlateau(optimiser(0.1, LR), **arguments, threshold_mode="abs", eps=0)
    expected = []
    for value in [*scores, *[0.0] * (VALIDATIONS - len(scores))]:
        expected += [[group["lr"] for group in reference.optimizer.param_groups]] * CADENCE
        reference.step(value)
    make = partial(Plateau, monitor="val/psnr", **arguments)
    updates = range(VALIDATIONS * CADENCE)
    alone = rates_of(make(optimiser(0.1, LR)), updates, scores)
    np.testing.assert_array_equal(alone, expected)
    warmed = rates_of(warmup(make, warm)(optimiser(0.1, LR)), updates, scores)
    share = np.minimum(np.arange(1, len(updates) + 1) / warm, 1)[:, None]
    np.testing.assert_allclose(warmed, share * np.array(expected), rtol=1e-12)


def test_plateau_counts_validations():
    """Patience 1: the second in a row without an improvement reduces. Cooldown 1: the next is free.

    Updates in between count for nothing.
    """
    scheduler, found = plateau(optimiser()), []
    for value in (20.0, 21.0, 20.9, 21.005, 20.0, 20.0, 20.0, 25.0, 20.0, 26.0):
        for _ in range(100):
            scheduler.step()
        scheduler.validated({"val/psnr": value})
        found += scheduler.get_last_lr()
    assert np.array(found) / LR == pytest.approx([1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25])


def test_negative_metrics_can_stagnate():
    """A relative threshold would take each of them for an improvement."""
    scheduler = plateau(optimiser())
    for _ in range(3):
        scheduler.validated({"val/psnr": -5.0})
    assert scheduler.get_last_lr() == [LR / 2]


@pytest.mark.parametrize("rate", [LR, 1e-8])
def test_plateau_ends_at_its_floor(rate):
    scheduler = Plateau(optimiser(rate), monitor="val/psnr", **DIGITS | {"min_lr": rate / 100})
    for _ in range(60):
        scheduler.validated({"val/psnr": 0.0})
    assert scheduler.get_last_lr() == [rate / 100]


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from([*SCHEDULERS]),
    interruption=st.integers(0, STEPS - 10),
    scores=SCORES,
    optimiser_first=st.booleans(),
)
def test_resumed_rates_are_those_of_the_uninterrupted_run(
    name, interruption, scores, optimiser_first
):
    total = STEPS - 1
    whole = rates_of(SCHEDULERS[name](optimiser(0.1, LR)), range(total), scores)
    first = SCHEDULERS[name](optimiser(0.1, LR))
    before = rates_of(first, range(interruption), scores)
    file = io.BytesIO()
    torch.save([first.optimizer.state_dict(), first.state_dict()], file)
    file.seek(0)
    states = torch.load(file, weights_only=True)
    second = SCHEDULERS[name](optimiser(0.1, LR))
    pairs = [(second.optimizer, states[0]), (second, states[1])]
    for part, state in pairs if optimiser_first else pairs[::-1]:
        part.load_state_dict(state)
    after = rates_of(second, range(interruption, total), scores[interruption // CADENCE :])
    np.testing.assert_array_equal([*before, *after], whole)


def test_only_what_depends_on_validations_is_told():
    told = {name for name, make in SCHEDULERS.items() if isinstance(make(optimiser()), Validated)}
    assert told == {name for name in SCHEDULERS if re.search("plateau|warmup|_then_", name)}


@pytest.mark.parametrize("make", [plateau, warmup(plateau)], ids=["plateau", "warmup"])
def test_unknown_metric_is_named_with_those_there_are(make):
    message = "'val/psnr', which validation does not report; it reports val/lpips, val/ssim."
    with pytest.raises(ValueError, match=re.escape(message)):
        make(optimiser()).validated({"val/ssim": 0.5, "val/lpips": 0.1})


def test_what_makes_no_sense_is_refused():
    cases = [
        (warmup(constant, -1), "steps is -1; give a number of generator updates >= 0."),
        (warmup(constant, 1, "none"), "shape is 'none'; choose one of linear, cosine."),
        (chained(constant, constant, 0), "steps is 0; give the number of generator updates"),
        (chained(constant, constant, 1.5), "steps is 1.5; give the number of generator updates"),
        (partial(plateau, mode="best"), "mode is 'best'; choose one of max, min."),
        (partial(plateau, factor=1.0), "factor is 1.0; give a number between 0 and 1."),
        (partial(plateau, factor=0.0), "factor is 0.0; give a number between 0 and 1."),
        (partial(plateau, patience=-1), "none can be negative."),
        (partial(plateau, cooldown=-1), "none can be negative."),
        (partial(plateau, threshold=-1), "none can be negative."),
        (partial(plateau, min_lr=-1), "none can be negative."),
    ]
    for make, message in cases:
        with pytest.raises(ValueError, match=re.escape(message)):
            make(optimiser())


@pytest.mark.parametrize("name", ["cosine", "plateau", "chained"])
def test_anything_can_follow_a_warmup(name):
    given = [f"scheduler@scheduler.then={name}", "scheduler.steps=10", "+trainer.max_steps=100"]
    config = composed("scheduler/warmup", given).scheduler
    (alone,) = instantiate(config.then, _convert_="all")(optimiser()).get_last_lr()
    built = instantiate(config, _convert_="all")(optimiser())
    assert built.get_last_lr() == pytest.approx([alone / 10])


TWO = ["cosine", "one_cycle", "multistep", "piecewise", "warmup_cosine"]


def test_chain_is_one_after_the_other_each_by_itself():
    for first, then in [*zip(TWO, [*TWO[1:], TWO[0]], strict=True)]:
        alone = [
            rates_of(SCHEDULERS[name](optimiser(0.1, LR)), range(80)) for name in (first, then)
        ]
        chain = rates_of(
            chained(SCHEDULERS[first], SCHEDULERS[then])(optimiser(0.1, LR)), range(160)
        )
        np.testing.assert_array_equal(chain, np.concatenate(alone))


def test_validations_reach_the_part_of_a_chain_that_is_in_force():
    scores = [*[1.0] * 10, *[0.0] * 10]
    rates = rates_of(chained(constant, plateau, 70)(optimiser()), range(140), scores)
    assert set(rates[:77, 0]) == {LR}
    # The tenth score comes after update 70, and is the first that the plateau hears of.
    alone = plateau(optimiser())
    alone.validated({"val/psnr": 1.0})
    np.testing.assert_array_equal(rates[70:], rates_of(alone, range(70), scores[10:]))
    assert len(set(rates[70:, 0])) > 2


def test_piecewise_rates_may_rise_again():
    rates = rates_of(piecewise(optimiser()), range(100))
    expected = [LR] * 20 + [LR / 2] * 70 + [2 * LR] + [LR / 10] * 9
    assert rates[:, 0] == pytest.approx(expected)


def test_pieces_that_do_not_fit_are_refused():
    for milestones, factors in [
        ([5], [1.0]),
        ([5, 5], [1, 1, 1]),
        ([9, 5], [1, 1, 1]),
        ([5], [1.0, -1.0]),
    ]:
        with pytest.raises(ValueError, match="one factor >= 0 more than milestones"):
            Piecewise(optimiser(), milestones=milestones, factors=factors)
