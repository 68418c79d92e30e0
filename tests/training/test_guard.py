import copy
import re

import pytest
import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import nn

from srlab.mistakes import Diverged, Mistake
from srlab.training.guard import Guard, step_masked

OPTIMISERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=0.1),
    "fused": lambda p: torch.optim.Adam(p, lr=0.1, fused=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.1, momentum=0.5),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.5),
}
ALL = torch.ones(2, dtype=torch.bool)


class Direct(LightningOptimizer):
    """Steps at once, without a trainer's strategy in between."""

    def step(self):
        self.optimizer.step()


def plain_step(optimiser, finite):
    Guard(on_nonfinite="skip", max_skips=9).step(optimiser, finite)


def some_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))


@pytest.mark.parametrize("how", [plain_step, step_masked])
@pytest.mark.parametrize("make", OPTIMISERS.values(), ids=OPTIMISERS)
def test_bad_updates_leave_no_trace(how, make):
    """The network is as if its bad updates, whose gradients are NaN, had not been."""
    for finite in [[True, False, True], [False, True, False, False]]:
        network, expected = some_network(), some_network()
        optimiser, reference = Direct(make(network.parameters())), make(expected.parameters())
        for number, good in enumerate(finite):
            image = torch.full((2, 3), number + 1.0)
            optimiser.zero_grad()
            network(image).sum().backward()
            if good:
                reference.zero_grad()
                expected(image).sum().backward()
                reference.step()
            else:
                network[0].weight.grad.fill_(torch.nan)
            how(optimiser, torch.tensor(good))
        for one, other in zip(network.parameters(), expected.parameters(), strict=True):
            assert torch.equal(one, other)
            ours, theirs = optimiser.state.get(one, {}), reference.state[other]
            for key, value in theirs.items():
                # a step count on the host counts on, as the device alone knows what was bad
                if torch.is_tensor(value) and value.numel() > 1:
                    assert torch.equal(ours[key], value), key


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_judges_every_value(bad):
    guard = Guard(on_nonfinite="skip", max_skips=9)
    guard.remember_buffers([])
    good = {"loss/l1": torch.tensor(1.0), "gradient/generator": torch.tensor(2.0)}
    assert guard.judge(0, good, ALL)
    for name in good:
        assert not guard.judge(1, good | {name: torch.tensor(bad)}, ALL)
    assert guard.skipped == 2


def test_statistics_of_a_bad_forward_pass_are_undone():
    guard = Guard(on_nonfinite="skip", max_skips=9)
    norm = nn.BatchNorm2d(2)
    norm(torch.rand(2, 2, 4, 4))
    before = copy.deepcopy(norm.state_dict())
    guard.remember_buffers([norm])
    norm(torch.full((2, 2, 4, 4), torch.nan))
    assert norm.running_mean.isnan().all()
    guard.judge(0, {"loss": torch.tensor(torch.nan)}, ALL)
    assert all(torch.equal(norm.state_dict()[name], tensor) for name, tensor in before.items())
    guard.remember_buffers([norm])
    norm(torch.rand(2, 2, 4, 4))
    guard.judge(1, {"loss": torch.tensor(1.0)}, ALL)
    assert not torch.equal(norm.running_mean, before["running_mean"])


def bad_at(guard, steps, total=10, samples=ALL):
    for step in range(total):
        guard.remember_buffers([])
        values, seen = {"loss/l1": torch.tensor(1.0), "loss/ssim": torch.tensor(1.0)}, ALL
        if step % 4 == 0:
            values["loss/penalty"] = torch.tensor(1.0)  # not every update has the same losses
        if step in steps:
            values["loss/ssim"], seen = torch.tensor(torch.nan), samples
        guard.judge(step, values, seen)


def positions(step):
    return range(100 * step, 100 * step + 2)


@pytest.mark.parametrize("steps", [[3, 5], [4], [3, 4]])
def test_raise_names_the_term_the_step_and_the_samples(steps):
    guard = Guard(on_nonfinite="raise", max_skips=10)
    bad_at(guard, steps, samples=torch.tensor([True, False]))
    first = steps[0]
    message = (
        f"after {first} updates loss/ssim was not finite, and neither was the SR of training "
        f"samples {first}01."
    )
    with pytest.raises(Diverged, match=re.escape(message)):
        guard.report(positions)


def test_samples_are_a_range_where_their_sr_was_finite():
    guard = Guard(on_nonfinite="raise", max_skips=10)
    bad_at(guard, [3])
    message = "loss/ssim was not finite, with training samples 300 to 301"
    with pytest.raises(Diverged, match=message):
        guard.report(positions)


def test_skip_counts_warns_and_goes_on(caplog):
    guard = Guard(on_nonfinite="skip", max_skips=2)
    bad_at(guard, [3, 4, 6])
    guard.report(positions)
    assert "after 3 updates loss/ssim was not finite" in caplog.text
    assert "3 updates were skipped so far" in caplog.text
    caplog.clear()
    guard.report(positions)
    assert not caplog.text


def test_too_many_in_a_row_stop():
    guard = Guard(on_nonfinite="skip", max_skips=2)
    bad_at(guard, [3, 4, 5])
    with pytest.raises(Diverged, match=re.escape("in a row were skipped (max_skips=2)")):
        guard.report(positions)


def test_row_goes_on_over_reports_and_checkpoints():
    guard = Guard(on_nonfinite="skip", max_skips=2)
    bad_at(guard, [8, 9])
    guard.report(positions)
    other = Guard(on_nonfinite="skip", max_skips=2)
    other.load_state_dict(guard.state_dict())
    assert (other.skipped, other.in_row) == (2, 2)
    bad_at(other, [0], total=1)
    with pytest.raises(Diverged, match=re.escape("in a row were skipped (max_skips=2)")):
        other.report(positions)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"on_nonfinite": "ignore"}, "on_nonfinite is 'ignore'; choose one of raise, skip."),
        ({"max_skips": -1}, "max_skips is -1; give a number of updates in a row >= 0."),
    ],
)
def test_what_makes_no_sense_is_refused(given, message):
    with pytest.raises(Mistake, match=re.escape(message)):
        Guard(**{"on_nonfinite": "skip", "max_skips": 1, **given})
