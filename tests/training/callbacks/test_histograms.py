from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from together import validate
from torch import nn

from srlab.training import loggers
from srlab.training.callbacks import Histograms, histograms
from srlab.training.module import GAN


@pytest.fixture
def logged(monkeypatch):
    found = {}

    def log_histogram(logger, name, counted, step):
        assert found.setdefault((name, step), counted) is counted  # once

    monkeypatch.setattr(loggers, "visual", lambda loggers: loggers)
    monkeypatch.setattr(histograms, "log_histogram", log_histogram)
    return found


def trainer(step=10, **state):
    defaults = {
        "loggers": ["one"],
        "is_global_zero": True,
        "sanity_checking": False,
        "val_check_batch": 5,
    }
    return SimpleNamespace(**{**defaults, "max_steps": 100, "global_step": step, **state})


def module(discriminator=None):
    generator = nn.ModuleDict(
        {"head": nn.Linear(3, 4), "body": nn.ModuleDict({"a": nn.Linear(4, 4)})}
    )
    card = SimpleNamespace(channels=("red", "nir"))
    return Mock(spec=GAN, generator=generator, discriminator=discriminator, card=card)


def test_weights_and_gradients_are_counted_by_part(logged):
    gan = module(discriminator=nn.Sequential(nn.Linear(2, 1)))
    gan.generator["head"].weight.grad = torch.arange(12.0).view(4, 3)
    Histograms(bins=12).on_train_batch_end(trainer(), gan)
    parts = {"generator/head": gan.generator["head"], "generator/body": gan.generator["body"]}
    parts["discriminator/0"] = gan.discriminator[0]
    assert set(logged) == {(f"weights/{name}", 10) for name in parts} | {
        ("gradients/generator/head", 10)
    }
    for name, part in parts.items():
        values = np.concatenate([p.detach().numpy().ravel() for p in part.parameters()])
        np.testing.assert_array_equal(
            logged[f"weights/{name}", 10].counts,
            np.histogram(values.astype(np.float64), bins=12)[0],
        )
    assert logged["gradients/generator/head", 10].counts.tolist() == [1] * 12


def test_depth_divides_a_network_further(logged):
    Histograms(depth=2).on_train_batch_end(trainer(), module())
    names = {name for name, _ in logged}
    assert names == {f"weights/generator/{part}" for part in ("head.weight", "head.bias", "body.a")}


@pytest.mark.parametrize(
    ("every", "steps"),
    [(None, [5, 10, 12]), (4, [4, 8, 12]), (100, [12])],
    ids=["validations", "often", "seldom"],
)
def test_networks_are_counted_where_it_is_due(logged, every, steps):
    for step in range(1, 13):
        Histograms(every=every).on_train_batch_end(trainer(step, max_steps=12), module())
    assert sorted({step for _, step in logged}) == steps


STATE = {"loggers": ["one"], "global_step": 10, "sanity_checking": False}


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_values_of_all_views_are_counted_band_by_band_in_the_same_bins(logged, monkeypatch, ranks):
    random = torch.Generator().manual_seed(0)
    views = [
        [make(3, 2, 6, side, generator=random) for make in (torch.randn, torch.rand)]
        for side in (5, 9)
    ]
    pairs = [(sr, {"hr": hr}) for sr, hr in views]
    validate(monkeypatch, lambda: Histograms(bins=20), module(), pairs, on=ranks, **STATE)
    assert set(logged) == {
        (f"values/{band}/{image}", 10) for band in ("red", "nir") for image in ("sr", "hr")
    }
    for number, band in enumerate(("red", "nir")):
        sr, hr = (
            np.concatenate([view[which][:, number].double().numpy().ravel() for view in views])
            for which in (0, 1)
        )
        margin = (hr.max() - hr.min()) / 10
        low, high = hr.min() - margin, hr.max() + margin
        for image, values in (("sr", sr), ("hr", hr)):
            counted = logged[f"values/{band}/{image}", 10]
            np.testing.assert_allclose(
                counted.edges, np.linspace(low, high, 21), rtol=1e-5, atol=1e-6
            )
            expected = np.histogram(np.clip(values, low, high), bins=20, range=(low, high))[0]
            np.testing.assert_array_equal(counted.counts, expected)
            assert counted.counts.sum() == values.size


@pytest.mark.parametrize("ranks", [1, 2])
def test_missing_pixels_do_not_count(logged, monkeypatch, ranks):
    sr, hr = torch.rand(1, 2, 4, 4), torch.rand(1, 2, 4, 4)
    valid = torch.ones(1, 1, 4, 4, dtype=torch.bool)
    valid[..., :2, :] = False
    hr[..., :2, :] = -1e6
    nowhere = (sr, {"hr": hr, "valid": torch.zeros_like(valid)})
    views = [(sr, {"hr": hr, "valid": valid}), nowhere]
    validate(monkeypatch, lambda: Histograms(bins=10), module(), views, on=ranks, **STATE)
    assert logged["values/red/sr", 10].counts.sum() == logged["values/red/hr", 10].counts.sum() == 8
    assert logged["values/red/hr", 10].edges[0] > -1


def test_band_without_finite_values_is_left_out(logged, monkeypatch):
    hr = torch.rand(1, 2, 4, 4)
    hr[:, 0] = torch.nan
    sr = torch.full_like(hr, torch.nan)
    views = [(sr, {"hr": hr}), (sr, {"hr": hr})]
    validate(monkeypatch, Histograms, module(), views, on=2, **STATE)
    assert set(logged) == {("values/nir/hr", 10)}


def test_large_views_are_sampled_at_the_same_pixels(logged, monkeypatch):
    hr = torch.rand(1, 2, 600, 700)
    validate(monkeypatch, Histograms, module(), [(hr.clone(), {"hr": hr})], **STATE)
    sr, hr = logged["values/nir/sr", 10], logged["values/nir/hr", 10]
    assert 100_000 <= hr.counts.sum() < 200_000
    np.testing.assert_array_equal(sr.counts, hr.counts)


@pytest.mark.parametrize("state", [{"loggers": []}, {"sanity_checking": True}], ids=str)
def test_nothing_is_gathered_where_nobody_looks(logged, monkeypatch, state):
    view = (torch.rand(1, 2, 4, 4), {"hr": torch.rand(1, 2, 4, 4)})
    assert validate(monkeypatch, Histograms, module(), [view] * 3, on=2, **{**STATE, **state}) == 0
    assert not logged


@pytest.mark.parametrize("state", [{"is_global_zero": False}, {"loggers": []}], ids=str)
def test_networks_are_counted_by_the_first_rank_where_somebody_looks(logged, state):
    Histograms().on_train_batch_end(trainer(**state), module())
    assert not logged


@pytest.mark.parametrize("given", [{"every": 0}, {"bins": 0}, {"depth": 0}], ids=str)
def test_counts_below_one_are_refused(given):
    ((name, value),) = given.items()
    with pytest.raises(ValueError, match=f"histograms got {name}={value}; give a number >= 1."):
        Histograms(**given)


def test_run_logs_weights_gradients_and_values(trained):
    events = EventAccumulator(str(trained / "tensorboard"), size_guidance={"histograms": 0})
    events.Reload()
    names = set(events.Tags()["histograms"])
    assert any(name.startswith("weights/discriminator/") for name in names)
    for name in ("weights/generator/tail", "gradients/generator/tail"):
        assert [event.step for event in events.Histograms(name)] == [4, 6]
        value = events.Histograms(name)[-1].histogram_value
        assert value.min < value.max
    assert len([name for name in names if name.startswith("values/")]) == 2 * 3
