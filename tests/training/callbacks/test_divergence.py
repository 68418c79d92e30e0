import logging
import math
from types import SimpleNamespace

import pytest
import torch
from conftest import TINY
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from srlab.losses.weighted import LossValue
from srlab.training.callbacks import Divergence
from srlab.training.schedule import Schedule


class Content(nn.Module):
    """A content loss with given values."""

    def __init__(self, *terms):
        super().__init__()
        self.entries = dict.fromkeys(terms)

    def forward(self, terms, weighted):
        return LossValue(torch.zeros(()), as_tensors(terms), as_tensors(weighted))


def as_tensors(values):
    return {name: torch.tensor(float(value)) for name, value in values.items()}


class Run:
    """Updates with given values, every one of which is logged if `every` is 1."""

    def __init__(self, callback, *terms, every=1, steps=10**9, relative=None, ramp_end=0):
        self.callback = callback
        self.trainer = SimpleNamespace(
            global_step=0,
            log_every_n_steps=every,
            max_steps=steps,
            is_global_zero=True,
            sanity_checking=False,
            strategy=SimpleNamespace(broadcast=lambda value: value),
        )
        objective = SimpleNamespace() if relative is None else SimpleNamespace(relative=relative)
        self.module = SimpleNamespace(
            content=Content(*(terms or ["l1"])),
            adversary=SimpleNamespace(objective=objective),
            schedule=Schedule(pretrain_steps=0, ramp_steps=ramp_end),
            recorded={},
            logged={},
        )
        callback.on_train_start(self.trainer, self.module)

    def update(self, *, weights=None, more=None, **terms):
        weights = weights or dict.fromkeys(terms, 1.0)
        weighted = {name: weights[name] * value for name, value in terms.items()}
        self.module.content(terms, weighted)
        self.trainer.global_step += 1
        if self.trainer.global_step % self.trainer.log_every_n_steps == 0:
            self.module.recorded = {f"loss/{name}": value for name, value in terms.items()}
            self.module.recorded |= {f"weighted/{name}": value for name, value in weighted.items()}
            self.module.recorded |= more or {}
        self.callback.on_train_batch_end(self.trainer, self.module)

    def stops_at(self, values):
        """The number of the update at which it stops, from 1, or None."""
        for number, value in enumerate(values, start=1):
            try:
                self.update(l1=value)
            except FloatingPointError:
                return number
        return None


DOUBLING = [0.4, *(0.4 * 2**n for n in range(40))]


@pytest.mark.parametrize(
    ("values", "stopped"),
    [
        pytest.param([0.4, 0.3, 50, 50, 50, 50], 5, id="far"),
        pytest.param([0.4, 0.3, 50, 50, 0.3, 50, 50, 0.3], None, id="not in a row"),
        pytest.param([0.4, 0.3, 20, 20, 20, 20], None, id="not so far"),
        pytest.param([0.4, 0.3, 2e30], 3, id="beyond all"),
        # The median of the first 13 is the 7th, which is a 128th.
        pytest.param(DOUBLING, 15, id="doubling"),
        pytest.param([*[10] * 60, *[0.01] * 30, 5, 5, 5], 93, id="after training"),
        pytest.param([0.0, 0.0, 0.4, 0.4, 0.4, 0.4], None, id="from zero"),
        pytest.param([0.4, math.nan, math.inf, math.nan, math.nan], None, id="the guard's"),
    ],
)
def test_run_stops_when_its_loss_explodes(values, stopped):
    assert Run(Divergence()).stops_at(values) == stopped


def test_losses_that_are_large_from_the_first_logged_step_on_have_exploded_before():
    run = Run(Divergence(), every=50)
    assert run.stops_at([0.4, *[1e9] * 999]) == 150


@pytest.mark.parametrize("steps", [30, 120], ids=["before any is logged", "before three are"])
def test_short_runs_are_judged_at_their_end(steps):
    run = Run(Divergence(), every=50, steps=steps)
    assert run.stops_at([0.4, *[1e9] * (steps - 1)]) == steps


def test_one_bad_last_step_is_no_divergence():
    assert Run(Divergence(), every=10, steps=95).stops_at([*[0.4] * 94, 1e9]) is None


def test_message_says_how_far_it_is_and_what_may_help():
    run = Run(Divergence())
    assert run.stops_at([0.25, 0.25, 500, 500]) is None
    with pytest.raises(FloatingPointError) as error:
        run.update(l1=500)
    message = str(error.value)
    assert "after 5 updates the content loss is 500, but usually it is 0.25" in message
    assert "optimiser.generator.lr" in message
    assert "scheduler@scheduler.generator=warmup" in message
    assert "clipping@clipping.generator=" in message
    assert "\n" not in message


def test_explosion_is_measured_by_the_weights_in_force():
    run = Run(Divergence())
    for value in (0.4, 0.4, 60, 60):
        run.update(l1=value, weights={"l1": 1e-3})
    with pytest.raises(FloatingPointError, match=r"is 0\.06, but usually it is 0\.0004"):
        run.update(l1=60, weights={"l1": 1e-3})


@pytest.mark.parametrize(
    "weights", [[1.0] * 9, [1e-6, 1e-3, *[1.0] * 9]], ids=["late", "gaining weight"]
)
def test_large_term_that_starts_late_or_gains_weight_is_no_divergence(weights):
    run = Run(Divergence(), "l1", "perceptual")
    for _ in range(10):
        run.update(l1=0.01)
    for weight in weights:
        run.update(l1=0.01, perceptual=50.0, weights={"l1": 1.0, "perceptual": weight})


def test_tiny_term_that_grows_is_no_divergence():
    run = Run(Divergence(), "l1", "consistency")
    for value in [*[1e-7] * 5, *[1e-3] * 20]:
        run.update(l1=0.02, consistency=value)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(1e-3, 9e-2), min_size=1, max_size=60))
def test_losses_within_the_factor_never_stop_a_run(values):
    assert Run(Divergence(factor=100)).stops_at(values) is None


@pytest.mark.parametrize("resumed_at", [2, 5, 7])
def test_resumed_run_stops_at_the_same_step(resumed_at):
    values = [0.4, 0.5, 90, 90, 0.3, 90, 90, 90, 90]
    first, second = Divergence(), Divergence()
    assert Run(first).stops_at(values[:resumed_at]) is None
    second.load_state_dict(first.state_dict())
    assert Run(second).stops_at(values[resumed_at:]) == 8 - resumed_at


def test_first_loss_is_in_a_checkpoint_that_comes_before_any_log():
    first, second = Divergence(), Divergence()
    Run(first, every=50).update(l1=0.4)
    second.load_state_dict(first.state_dict())
    assert Run(second, every=50).stops_at([1e9] * 200) == 150


def game(real, fake):
    return {"discriminator/real": real, "discriminator/fake": fake}


def validations(caplog, callback, scores):
    """The warnings at validations with these scores."""
    run = Run(callback)
    with caplog.at_level(logging.WARNING):
        for score in scores:
            run.module.logged = {"val/psnr": score}
            callback.on_validation_end(run.trainer, run.module)
    return [record.message for record in caplog.records]


def test_generator_that_collapses_is_told_once(caplog):
    usual = [20.0, 27.0, 24.5, 24.0, 25.0, 22.0, 24.0, 24.0, 20.9, 20.9, 24.0, math.nan]
    callback = Divergence(patience=3)
    assert not validations(caplog, callback, [*usual, 12.0, 12.0])
    resumed = Divergence(patience=3)
    resumed.load_state_dict(callback.state_dict())
    (message,) = validations(caplog, resumed, [11.5] * 9)
    assert "validation has fallen from 27.00 to 11.50 dB PSNR and stays there" in message
    assert "checkpoints/best.ckpt" in message


def test_validation_without_psnr_tells_nothing_of_a_collapse(caplog):
    run = Run(Divergence())
    run.module.logged = {"val/ssim": 0.1}
    run.callback.on_validation_end(run.trainer, run.module)
    assert not caplog.records


def test_a_view_that_becomes_exact_is_no_collapse(caplog):
    """From then on PSNR is that of the mean squared error, for bicubic interpolation, too."""
    run = Run(Divergence(patience=2))
    for psnr, bicubic in [(38.0, 32.0)] * 3 + [(30.0, 25.0)] * 5:
        run.module.logged = {"val/psnr": psnr, "val/psnr_bicubic": bicubic}
        run.callback.on_validation_end(run.trainer, run.module)
    assert not caplog.records


def warnings(caplog, run, updates):
    """The warnings at updates with these values, besides the content loss."""
    with caplog.at_level(logging.WARNING):
        for more in updates:
            run.update(l1=0.1, more=more)
    return [record.message for record in caplog.records]


@pytest.mark.parametrize("relative", [False, None], ids=["absolute", "a third party's"])
def test_discriminator_that_always_wins_is_told_once(caplog, relative):
    run = Run(Divergence(warn_after=5), relative=relative)
    won, even = game(0.995, 0.005), game(0.6, 0.4)
    assert not warnings(caplog, run, [*[won] * 4, even, *[won] * 4])
    (message,) = warnings(caplog, run, [won] * 20)
    assert "optimiser.discriminator.lr" in message
    assert "schedule.discriminator_every=2" in message
    assert "label_smoothing" in message
    resumed = Divergence(warn_after=5)
    resumed.load_state_dict(run.callback.state_dict())
    caplog.clear()
    assert not warnings(caplog, Run(resumed), [won] * 20)


def test_steps_without_the_discriminator_do_not_count(caplog):
    run = Run(Divergence(warn_after=5))
    assert len(warnings(caplog, run, [game(1, 0), {}] * 4)) == 0
    assert len(warnings(caplog, run, [game(1, 0)])) == 1


def test_critics_give_no_probabilities(caplog):
    assert not warnings(caplog, Run(Divergence(warn_after=5), relative=True), [game(1, 0)] * 9)


def test_discriminator_that_gives_up_is_told_once_the_ramp_is_over(caplog):
    run = Run(Divergence(warn_after=5), ramp_end=20)
    assert not warnings(caplog, run, [game(0.5, 0.5)] * 23)
    (message,) = warnings(caplog, run, [game(0.5, 0.5)] * 5)
    assert "does not tell real from generated" in message


@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_gradients_that_explode_are_told_once(caplog, network):
    norms = [*[1.0] * 11, 99.0, 101.0, 500.0]
    updates = [{f"gradient/{network}": norm} for norm in norms]
    (message,) = warnings(caplog, Run(Divergence()), updates)
    assert f"the norm of the {network}'s gradient is 101, but usually it is 1" in message
    assert f"clipping@clipping.{network}=norm" in message


def test_impossible_arguments_are_refused():
    for arguments in [{"factor": 1}, {"patience": 0}, {"warn_after": 0}]:
        with pytest.raises(ValueError, match="give a factor > 1 and counts >= 1"):
            Divergence(**arguments)


@pytest.mark.parametrize(
    "given",
    [
        ["trainer.max_steps=20"],
        ["trainer.log_every_n_steps=10", "generator=rrdb", "generator.growth_channels=4"],
    ],
    ids=["short", "rrdb"],
)
def test_learning_rate_of_ten_ends_in_one_line(command, capfd, given):
    outcome = command("train", *given, *TINY, "optimiser.generator.lr=10", "hydra.run.dir=run")
    assert outcome.code == 1
    error = (capfd.readouterr().err + outcome.error).strip()
    assert error.splitlines()[-1].startswith("error: ")
    assert "diverged" in error or "not finite" in error
    assert "Traceback" not in error
