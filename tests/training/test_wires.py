"""Short real runs; each fails where a key of the configuration no longer reaches its place."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from small_runs import DATA, DISCRIMINATOR, SHORT, SMALL, checkpoint, rows, train
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_loggers import wandb_rows
from torch.nn.utils import parameters_to_vector
from torchmetrics.functional.image import peak_signal_noise_ratio

import srlab

GIVEN = ["data.holes=false", "loader.batch_size=4", "logger=[csv]"]


def watch(patch, see):
    """Have `see` look at the Lightning module before training and after each update."""
    from srlab.training.module import GAN

    patch.setattr(GAN, "on_train_start", see)
    patch.setattr(GAN, "on_train_batch_end", lambda module, *_: see(module))


def weights(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


GAME = [
    "trainer.max_steps=20",
    "schedule.pretrain_steps=5",
    "schedule.discriminator_every=2",
    "penalty=r1",
    "penalty.interval=2",
    "optimiser@optimiser.generator=adamw",
    "optimiser.generator.weight_decay=0.03",
    "optimiser.discriminator.lr=4e-4",
    "optimiser.discriminator.betas=[0.5,0.9]",
    "scheduler@scheduler.generator=plateau",
    "scheduler.generator.patience=0",
    "scheduler.generator.threshold=1e9",
    "scheduler.generator.factor=0.5",
    "scheduler@scheduler.discriminator=plateau",
    "scheduler.discriminator.patience=0",
    "scheduler.discriminator.threshold=1e9",
    "scheduler.discriminator.factor=0.2",
    "ema.decay=0.8",
    "ema.start_step=14",
    "ema.warmup=false",
    "metric=[psnr,mae]",
    "callbacks.checkpoints.monitor=val/mae",
    "callbacks.checkpoints.mode=min",
    "callbacks.checkpoints.keep=2",
]


@pytest.fixture(scope="module")
def game(tmp_path_factory):
    """A run, with its generators and the numbers of penalties before training and after updates."""
    from srlab.adversarial import R1

    penalty, taken, generators, penalties = R1.__call__, [], [], []

    def taking(self, *given):
        taken.append(self)
        return penalty(self, *given)

    def see(module):
        generators.append(weights(module.generator))
        penalties.append(len(taken))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(R1, "__call__", taking)
        watch(patch, see)
        folder = train(tmp_path_factory.mktemp("wires") / "game", *SMALL, *GIVEN, *GAME)
    return SimpleNamespace(folder=folder, generators=generators, penalties=penalties)


class TestGame:
    @pytest.mark.parametrize(
        ("name", "lr", "factor"), [("generator", 1e-3, 0.5), ("discriminator", 4e-4, 0.2)]
    )
    def test_rates_of_each_network_fall_where_its_plateau_sees_no_improvement(
        self, game, name, lr, factor
    ):
        """The first of the validations, at 4, is the best by far; each other reduces the rate."""
        logged = {step: row[f"lr/{name}"] for step, row in rows(game.folder).items()}
        expected = {step: lr * factor ** max(0, (step - 1) // 4 - 1) for step in range(1, 21)}
        assert logged == pytest.approx(expected)

    def test_each_network_has_its_optimiser_and_what_decay_spares(self, game):
        generator, discriminator = checkpoint(game.folder)["optimizer_states"]
        axes = {number: entry["exp_avg"].ndim for number, entry in generator["state"].items()}
        model = srlab.load(game.folder / "model.safetensors").generator
        assert len(axes) == len(model.state_dict())
        decayed = {}
        for group in generator["param_groups"]:
            decayed[group["weight_decay"]] = {axes[number] for number in group["params"]}
            assert group["betas"] == (0.9, 0.99)
        assert decayed == {0.03: {4}, 0: {1}}
        for group in discriminator["param_groups"]:
            assert (group["betas"], group["weight_decay"]) == ((0.5, 0.9), 0)

    def test_average_begins_and_decays_as_configured(self, game):
        assert len(game.generators) == 21
        expected = game.generators[14]
        for later in game.generators[15:]:
            expected = {name: 0.8 * expected[name] + 0.2 * later[name] for name in expected}
        found = checkpoint(game.folder)["state_dict"]
        found = {name: found[f"ema.average.{name}"] for name in expected}
        torch.testing.assert_close(found, expected)

    def test_validation_scores_the_average(self, game):
        config = OmegaConf.load(game.folder / "config.yaml")
        views = instantiate(config.data, _convert_="all").validation
        model = srlab.load(game.folder / "model.safetensors")

        def psnr():
            pairs = [(model(view["lr"][None]), view["hr"][None]) for view in views]
            scores = [peak_signal_noise_ratio(*pair, data_range=1.0) for pair in pairs]
            return float(torch.stack(scores).mean())

        logged = rows(game.folder)[20]["val/psnr"]
        assert logged == pytest.approx(psnr(), rel=1e-5)
        model.generator.load_state_dict(game.generators[20])
        assert abs(logged - psnr()) > 1e-3

    def test_best_checkpoints_are_as_many_and_by_the_metric_as_configured(self, game):
        values = rows(game.folder)
        errors = {step: values[step]["val/mae"] for step in (4, 8, 12, 16, 20)}
        kept = [checkpoint(game.folder, name)["global_step"] for name in ("best", "best_2")]
        assert kept == sorted(errors, key=errors.get)[:2]
        assert len([*(game.folder / "checkpoints").glob("best*.ckpt")]) == 2

    def test_penalty_counts_at_every_second_update_of_the_discriminator(self, game):
        """The discriminator learns in the updates 6, 8, 10 … 20."""
        steps = [step for step in range(1, 21) if game.penalties[step] > game.penalties[step - 1]]
        assert (steps, game.penalties[20]) == ([6, 10, 14, 18], 4)


def test_clipping_bounds_the_update_of_each_network(tmp_path, monkeypatch):
    """One step of plain gradient descent at a rate of 1 changes weights by the clipped gradient."""
    seen = {"generator": [], "discriminator": []}

    def see(module):
        for name, network in module.networks.items():
            seen[name].append(parameters_to_vector(network.parameters()).detach())

    watch(monkeypatch, see)
    given = ["trainer.max_steps=1", "schedule.pretrain_steps=0"]
    for name in seen:
        given += [f"optimiser@optimiser.{name}=sgd", f"optimiser.{name}.lr=1"]
        given.append(f"optimiser.{name}.momentum=0")
    given += ["clipping@clipping.generator=norm", "clipping.generator.max_norm=1e-3"]
    given += ["clipping@clipping.discriminator=value", "clipping.discriminator.max_value=1e-4"]
    train(tmp_path / "run", *SMALL, *GIVEN, *given)
    change = {name: after - before for name, (before, after) in seen.items()}
    assert float(change["generator"].norm()) == pytest.approx(1e-3, rel=0.01)
    assert float(change["discriminator"].abs().max()) == pytest.approx(1e-4, rel=0.01)


def test_skipped_update_leaves_batch_statistics_as_they_were(tmp_path, monkeypatch):
    from srlab.data.places.crops import RandomCrops

    read = RandomCrops.__getitem__

    def spoilt(self, position):
        sample = read(self, position)
        if position == 18:  # in the third update
            sample["lr"] = sample["lr"] * torch.nan
        return sample

    monkeypatch.setattr(RandomCrops, "__getitem__", spoilt)
    networks = ["generator=srresnet", "generator.channels=8", "generator.blocks=1", *DISCRIMINATOR]
    given = ["discriminator.normalisation=batch", "schedule.pretrain_steps=0"]
    given += ["loader.batch_size=8", "on_nonfinite=skip", "trainer.max_steps=3"]
    state = checkpoint(train(tmp_path / "run", *DATA, *SHORT, *networks, *GIVEN, *given))
    state = state["state_dict"]
    assert state["guard.skipped"] == 1
    statistics = {name: tensor for name, tensor in state.items() if ".running_" in name}
    assert {name.split(".")[0] for name in statistics} >= {"generator", "discriminator", "ema"}
    assert all(tensor.isfinite().all() for tensor in statistics.values())
    counts = [name for name in state if name.endswith("batches_tracked")]
    assert {int(state[name]) for name in counts if name.startswith("generator")} == {2}


def test_random_numbers_differ_by_seed_step_and_rank():
    from srlab.training.processes.isolation import isolated
    from srlab.training.processes.ranks import reseed

    def draws(seed, step, rank):
        reseed(seed, step, rank)
        return float(torch.rand(())), float(np.random.rand()), random.random()

    with isolated():
        every = [draws(*numbers) for numbers in np.ndindex(2, 3, 3)]
        assert [len({*of_one}) for of_one in zip(*every, strict=True)] == [18] * 3
        assert draws(1, 2, 1) == every[-2]


def test_random_numbers_of_a_step_are_each_ranks_own(tmp_path, monkeypatch):
    from srlab.training.module import GAN

    seeds = []
    watch(monkeypatch, lambda module: seeds.append(torch.initial_seed()))
    for rank in (0, 1):
        monkeypatch.setattr(GAN, "global_rank", rank)
        train(tmp_path / f"rank_{rank}", *SMALL, *GIVEN, "trainer.max_steps=2")
    steps = [*seeds[1:3], *seeds[4:6]]  # without those before training
    assert len({*steps}) == len(steps) == 4


def test_layout_and_compilation_reach_the_networks(tmp_path, monkeypatch):
    compiled, kernels = [], {}

    def see(module):
        for name, network in module.networks.items():
            kernels[name] = [parameter for parameter in network.parameters() if parameter.ndim == 4]

    watch(monkeypatch, see)
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda self: compiled.append(type(self).__name__)
    )
    given = ["channels_last=true", "compile=true"]
    given += ["trainer.max_steps=1", "schedule.pretrain_steps=0"]
    train(tmp_path / "run", *SMALL, *GIVEN, *given)
    assert compiled == ["RRDB"]
    assert kernels["generator"]
    assert kernels["discriminator"]
    for kernel in kernels["generator"] + kernels["discriminator"]:
        assert kernel.is_contiguous(memory_format=torch.channels_last)


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """The folder of a run with every logger."""
    pytest.importorskip("wandb")
    pytest.importorskip("mlflow")
    given = ["logger=[csv,tensorboard,wandb,mlflow]", "logger.wandb.offline=true", "penalty=r1"]
    given += ["trainer.max_steps=4", "trainer.val_check_interval=2"]
    return train(tmp_path_factory.mktemp("wires") / "loggers", *SMALL, *GIVEN, *given)


@pytest.fixture(scope="module")
def events(logged):
    return EventAccumulator(str(logged / "tensorboard")).Reload()


@pytest.fixture(scope="module")
def table(logged):
    """Each value of `metrics.csv` by its step and name."""
    found = {}
    for step, row in rows(logged).items():
        del row["step"]
        found |= {(step, name): value for name, value in row.items()}
    names = {name for _, name in found}
    assert {"loss/generator", "loss/penalty", "lr/discriminator", "val/psnr"} < names
    return found


def assert_has(found, table):
    assert {key: found.get(key) for key in table} == pytest.approx(table, rel=1e-6)


def test_tensorboard_has_the_table(events, table):
    found = {}
    for name in events.Tags()["scalars"]:
        found |= {(event.step, name): event.value for event in events.Scalars(name)}
    assert_has(found, table)


def test_wandb_has_the_table(logged, table):
    found = {}
    (sent,) = wandb_rows(logged)
    for row in sent:
        found |= {(row["_step"], name): value for name, value in row.items()}
    assert_has(found, table)


def test_mlflow_has_the_table(logged, table):
    from mlflow import MlflowClient

    client, run = MlflowClient((logged / "mlflow").as_uri()), (logged / "mlflow_run").read_text()
    found = {}
    for name in client.get_run(run).data.metrics:
        history = client.get_metric_history(run, name)
        found |= {(event.step, name): event.value for event in history}
    assert_has(found, table)


def test_tensorboard_has_pictures_and_histograms(events):
    assert events.Tags()["images"] == ["validation/0", "validation/1", "validation/2"]
    found = {"/".join(name.split("/")[:2]) for name in events.Tags()["histograms"]}
    networks = {"weights/generator", "weights/discriminator"}
    networks |= {"gradients/generator", "gradients/discriminator"}
    assert found == networks | {"values/1", "values/2"}
