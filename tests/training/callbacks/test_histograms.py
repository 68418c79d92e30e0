from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ranks_as_threads import Recorder, validate
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from srlab.training.callbacks import Histograms


def network():
    body = nn.ModuleDict({"a": nn.Linear(4, 4)})
    return nn.ModuleDict({"head": nn.Linear(3, 4), "body": body})


def module(**networks):
    networks = networks or {"generator": network()}
    return SimpleNamespace(networks=networks, card=SimpleNamespace(output_names=("red", "nir")))


def after_update(callback, module, step=10, **state):
    """What is logged after an update."""
    logger = Recorder()
    defaults = {
        "loggers": [logger],
        "is_global_zero": True,
        "sanity_checking": False,
        "val_check_batch": 5,
        "max_steps": 12,
    }
    trainer = SimpleNamespace(**{**defaults, "global_step": step, **state})
    callback.on_train_batch_end(trainer, module)
    return logger.found


def after_validation(monkeypatch, views, *, bins=10, on=1):
    """What is logged after the validation of pairs of SR and a batch."""
    logger = Recorder()
    state = {"loggers": [logger], "global_step": 10, "sanity_checking": False}
    validate(monkeypatch, lambda: Histograms(bins=bins), module(), views, on=on, **state)
    return logger.found


def test_weights_and_gradients_are_counted_by_part():
    gan = module(generator=network(), discriminator=nn.Sequential(nn.Linear(2, 1)))
    generator = gan.networks["generator"]
    generator["head"].weight.grad = torch.arange(12.0).view(4, 3)
    logged = after_update(Histograms(bins=12), gan)
    parts = {"generator/head": generator["head"], "generator/body": generator["body"]}
    parts["discriminator/0"] = gan.networks["discriminator"][0]
    names = [*(f"weights/{name}" for name in parts), "gradients/generator/head"]
    assert logged.keys() == {(name, 10) for name in names}
    for name, part in parts.items():
        values = np.concatenate([p.detach().numpy().ravel() for p in part.parameters()])
        expected, _ = np.histogram(values.astype(np.float64), bins=12)
        np.testing.assert_array_equal(logged[f"weights/{name}", 10].counts, expected)
    assert logged["gradients/generator/head", 10].counts.tolist() == [1] * 12


def test_depth_divides_a_network_further():
    logged = after_update(Histograms(depth=2), module())
    parts = ("head.weight", "head.bias", "body.a")
    assert logged.keys() == {(f"weights/generator/{part}", 10) for part in parts}


@pytest.mark.parametrize(
    ("every", "steps"),
    [(None, [5, 10, 12]), (4, [4, 8, 12]), (100, [12])],
    ids=["validations", "often", "seldom"],
)
def test_networks_are_counted_where_it_is_due(every, steps):
    gan = module()
    due = [step for step in range(1, 13) if after_update(Histograms(every=every), gan, step)]
    assert due == steps


@pytest.mark.parametrize("ranks", [1, 3])
def test_values_of_all_views_are_counted_band_by_band_in_the_same_bins(monkeypatch, ranks):
    random = torch.Generator().manual_seed(0)
    views = []
    for side in (5, 9):
        sr = torch.randn(3, 2, 6, side, generator=random)
        views.append((sr, {"hr": torch.rand(3, 2, 6, side, generator=random)}))
    logged = after_validation(monkeypatch, views, bins=20, on=ranks)
    names = ("values/red/sr", "values/red/hr", "values/nir/sr", "values/nir/hr")
    assert logged.keys() == {(name, 10) for name in names}
    for number, band in enumerate(("red", "nir")):
        values = {
            "sr": torch.cat([sr[:, number].flatten() for sr, _ in views]).double().numpy(),
            "hr": torch.cat([each["hr"][:, number].flatten() for _, each in views])
            .double()
            .numpy(),
        }
        least, most = values["hr"].min(), values["hr"].max()
        low, high = least - (most - least) / 10, most + (most - least) / 10
        for image in ("sr", "hr"):
            counted = logged[f"values/{band}/{image}", 10]
            np.testing.assert_allclose(counted.edges, np.linspace(low, high, 21), 1e-5, 1e-6)
            clipped = np.clip(values[image], low, high)
            expected, _ = np.histogram(clipped, bins=20, range=(low, high))
            np.testing.assert_array_equal(counted.counts, expected)
            assert counted.counts.sum() == clipped.size


def test_missing_pixels_do_not_count(monkeypatch):
    sr, hr = torch.rand(1, 2, 4, 4), torch.rand(1, 2, 4, 4)
    valid = torch.ones(1, 1, 4, 4, dtype=torch.bool)
    valid[..., :2, :] = False
    hr[..., :2, :] = -1e6
    nowhere = (sr, {"hr": hr, "valid": torch.zeros_like(valid)})
    logged = after_validation(monkeypatch, [(sr, {"hr": hr, "valid": valid}), nowhere], on=2)
    assert logged["values/red/sr", 10].counts.sum() == logged["values/red/hr", 10].counts.sum() == 8
    assert logged["values/red/hr", 10].edges[0] > -1


def test_band_without_finite_values_is_left_out(monkeypatch):
    hr = torch.rand(1, 2, 4, 4)
    hr[:, 0] = torch.nan
    views = [(torch.full_like(hr, torch.nan), {"hr": hr})] * 2
    assert after_validation(monkeypatch, views, on=2).keys() == {("values/nir/hr", 10)}


def test_large_views_are_sampled_at_the_same_pixels(monkeypatch):
    hr = torch.rand(1, 2, 600, 700)
    logged = after_validation(monkeypatch, [(hr.clone(), {"hr": hr})])
    sr, hr = logged["values/nir/sr", 10], logged["values/nir/hr", 10]
    assert 100_000 <= hr.counts.sum() < 200_000
    np.testing.assert_array_equal(sr.counts, hr.counts)


@pytest.mark.parametrize("state", [{"loggers": []}, {"sanity_checking": True}], ids=str)
def test_nothing_is_gathered_where_nobody_looks(monkeypatch, state):
    view = (torch.rand(1, 2, 4, 4), {"hr": torch.rand(1, 2, 4, 4)})
    state = {"loggers": [Recorder()], "global_step": 10, "sanity_checking": False, **state}
    assert validate(monkeypatch, Histograms, module(), [view] * 3, on=2, **state) == 0


def test_networks_are_counted_by_the_first_rank_alone():
    assert not after_update(Histograms(), module(), is_global_zero=False)


def test_counts_below_one_are_refused():
    for given in [{"every": 0}, {"bins": 0}, {"depth": 0}]:
        ((name, value),) = given.items()
        with pytest.raises(ValueError, match=f"histograms got {name}={value}; give a number >= 1."):
            Histograms(**given)


def test_run_logs_weights_gradients_and_values(trained):
    events = EventAccumulator(str(trained / "tensorboard"), size_guidance={"histograms": 0})
    events.Reload()
    names = events.Tags()["histograms"]
    assert any(name.startswith("weights/discriminator/") for name in names)
    for name in ("weights/generator/tail", "gradients/generator/tail"):
        assert [event.step for event in events.Histograms(name)] == [4, 6]
        value = events.Histograms(name)[-1].histogram_value
        assert value.min < value.max
    assert len([name for name in names if name.startswith("values/")]) == 2 * 3
