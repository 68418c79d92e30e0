"""Short real runs, each of which fails where a key of the configuration no longer reaches what it is for."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import TINY, Outcome, run_command
from hydra.utils import instantiate
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_loggers import wandb_rows
from test_many_processes import SMALL, rows, third_party
from torch.nn.utils import parameters_to_vector
from torchmetrics.functional.image import peak_signal_noise_ratio

import srlab


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    """Train small networks on noise, as the command does, with more overrides; return the run's folder."""
    folder = tmp_path_factory.mktemp("wires")
    data = [
        *third_party(folder),
        "+data.holes=false",
        "loader.batch_size=4",
        "trainer.log_every_n_steps=1",
    ]

    def run(name, *given, small=SMALL):
        outcome = run_command(
            "train", [*data, *small, "logger=[csv]", *given, f"hydra.run.dir={folder / name}"]
        )
        assert outcome == Outcome(0, "")
        return folder / name

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield run


def watch(patch, see):
    """Have `see` look at the Lightning module before training and after each update."""
    from srlab.training.module import GAN

    patch.setattr(GAN, "on_train_start", see)
    patch.setattr(GAN, "on_train_batch_end", lambda module, *_: see(module))


def weights(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def checkpoint(folder, name="last"):
    return torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)


GAME = [
    *("trainer.max_steps=20", "trainer.val_check_interval=4", "schedule.pretrain_steps=5"),
    *("schedule.discriminator_every=2", "penalty=r1", "penalty.interval=2"),
    *("optimiser@optimiser.generator=adamw", "optimiser.generator.weight_decay=0.03"),
    *("optimiser.discriminator.lr=4e-4", "optimiser.discriminator.betas=[0.5,0.9]"),
    *("scheduler@scheduler.generator=plateau", "scheduler@scheduler.discriminator=plateau"),
    *(
        "scheduler.generator.patience=0",
        "scheduler.generator.threshold=1e9",
        "scheduler.generator.factor=0.5",
    ),
    *("scheduler.discriminator.patience=0", "scheduler.discriminator.threshold=1e9"),
    *(
        "scheduler.discriminator.factor=0.2",
        "ema.decay=0.8",
        "ema.start_step=14",
        "ema.warmup=false",
    ),
    *(
        "metric=[psnr,mae]",
        "callbacks.checkpoints.monitor=val/mae",
        "callbacks.checkpoints.mode=min",
    ),
    "callbacks.checkpoints.keep=2",
]


@pytest.fixture(scope="module")
def game(train):
    """A run; its generators, and the numbers of penalties so far, before training and after each update."""
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
        folder = train("game", *GAME)
    return SimpleNamespace(folder=folder, generators=generators, penalties=penalties)


class TestGame:
    @pytest.mark.parametrize(
        ("name", "lr", "factor"), [("generator", 1e-3, 0.5), ("discriminator", 4e-4, 0.2)]
    )
    def test_rates_of_each_network_fall_where_its_plateau_sees_no_improvement(
        self, game, name, lr, factor
    ):
        """The first of the validations at 4, 8, 12 … is the best by far; each other one reduces the rate after it."""
        logged = {step: row[f"lr/{name}"] for step, row in rows(game.folder).items()}
        expected = {step: lr * factor ** max(0, (step - 1) // 4 - 1) for step in range(1, 21)}
        assert logged == pytest.approx(expected)

    def test_each_network_has_its_optimiser_and_what_decay_spares(self, game):
        generator, discriminator = checkpoint(game.folder)["optimizer_states"]
        moments = {number: entry["exp_avg"] for number, entry in generator["state"].items()}
        assert len(moments) == len(
            srlab.load(game.folder / "model.safetensors").generator.state_dict()
        )
        axes = {
            g["weight_decay"]: {moments[n].ndim for n in g["params"]}
            for g in generator["param_groups"]
        }
        assert axes == {0.03: {4}, 0: {1}}
        groups = generator["param_groups"], discriminator["param_groups"]
        assert [{group["betas"] for group in own} for own in groups] == [
            {(0.9, 0.99)},
            {(0.5, 0.9)},
        ]
        assert {group["weight_decay"] for group in discriminator["param_groups"]} == {0}

    def test_average_begins_and_decays_as_configured(self, game):
        expected = game.generators[14]
        for later in game.generators[15:]:
            expected = {name: 0.8 * expected[name] + 0.2 * later[name] for name in expected}
        found = checkpoint(game.folder)["state_dict"]
        assert len(game.generators) == 21
        torch.testing.assert_close(
            {name: found[f"ema.average.{name}"] for name in expected}, expected
        )

    def test_validation_scores_the_average(self, game):
        views = instantiate(
            OmegaConf.load(game.folder / "config.yaml").data, _convert_="all"
        ).validation
        model = srlab.load(game.folder / "model.safetensors")

        def psnr():
            pairs = [(model(view["lr"][None]), view["hr"][None]) for view in views]
            return np.mean(
                [float(peak_signal_noise_ratio(*pair, data_range=1.0)) for pair in pairs]
            )

        logged = rows(game.folder)[20]["val/psnr"]
        assert logged == pytest.approx(psnr(), rel=1e-5)
        model.generator.load_state_dict(game.generators[20])
        assert abs(logged - psnr()) > 1e-3

    def test_best_checkpoints_are_as_many_and_by_the_metric_as_configured(self, game):
        errors = {
            step: row["val/mae"] for step, row in rows(game.folder).items() if "val/mae" in row
        }
        assert sorted(errors) == [4, 8, 12, 16, 20]
        kept = [checkpoint(game.folder, name)["global_step"] for name in ("best", "best_2")]
        assert kept == sorted(errors, key=errors.get)[:2]
        assert len([*(game.folder / "checkpoints").glob("best*.ckpt")]) == 2

    def test_penalty_counts_at_every_second_update_of_the_discriminator(self, game):
        """Which learns in the updates 6, 8, 10 … 20."""
        steps = [step for step in range(1, 21) if game.penalties[step] > game.penalties[step - 1]]
        assert (steps, game.penalties[20]) == ([6, 10, 14, 18], 4)


def test_clipping_bounds_the_update_of_each_network(train, monkeypatch):
    """One step of plain gradient descent at a rate of 1 changes weights by the clipped gradient."""
    seen = []

    def see(module):
        seen.append(
            [
                parameters_to_vector(network.parameters()).detach()
                for network in module.networks.values()
            ]
        )

    watch(monkeypatch, see)
    given = [
        *(
            "optimiser@optimiser.generator=sgd",
            "optimiser.generator.lr=1",
            "optimiser.generator.momentum=0",
        ),
        *(
            "optimiser@optimiser.discriminator=sgd",
            "optimiser.discriminator.lr=1",
            "optimiser.discriminator.momentum=0",
        ),
        *("clipping@clipping.generator=norm", "clipping.generator.max_norm=1e-3"),
        *("clipping@clipping.discriminator=value", "clipping.discriminator.max_value=1e-4"),
    ]
    train("clipping", *given, "trainer.max_steps=1", "schedule.pretrain_steps=0")
    generator, discriminator = (after - before for before, after in zip(*seen, strict=True))
    assert float(generator.norm()) == pytest.approx(1e-3, rel=0.01)
    assert float(discriminator.abs().max()) == pytest.approx(1e-4, rel=0.01)


def test_skipped_update_leaves_batch_statistics_as_they_were(train, monkeypatch):
    from srlab.data.pairs import RandomCrops

    read = RandomCrops.__getitem__

    def spoilt(self, position):
        sample = read(self, position)
        return (
            sample | {"lr": sample["lr"] * torch.nan} if position == 70 else sample
        )  # in the third update

    monkeypatch.setattr(RandomCrops, "__getitem__", spoilt)
    small = (
        [line for line in SMALL if not line.startswith("generator")]
        + TINY[:2]
        + ["generator=srresnet"]
    )
    given = [
        "discriminator.normalisation=batch",
        "schedule.pretrain_steps=0",
        "loader.batch_size=32",
    ]
    folder = train("skip", *given, "on_nonfinite=skip", "trainer.max_steps=3", small=small)
    state = checkpoint(folder)["state_dict"]
    assert state["guard.skipped"] == 1
    statistics = {name: tensor for name, tensor in state.items() if ".running_" in name}
    assert {name.split(".")[0] for name in statistics} >= {"generator", "discriminator", "ema"}
    assert all(tensor.isfinite().all() for tensor in statistics.values())
    passes = {
        int(n)
        for name, n in state.items()
        if name.startswith("generator") and name.endswith("batches_tracked")
    }
    assert passes == {2}


def test_random_numbers_differ_by_seed_step_and_rank():
    from srlab.training.processes.isolation import isolated
    from srlab.training.processes.ranks import reseed

    def draws(*given):
        reseed(*given)
        return float(torch.rand(())), float(np.random.rand()), random.random()

    with isolated():
        every = [
            draws(seed, step, rank) for seed in (0, 1) for step in (0, 1, 2) for rank in (0, 1, 2)
        ]
        assert [len({*of_one}) for of_one in zip(*every, strict=True)] == [18] * 3
        assert draws(1, 2, 1) == every[-2]


def test_random_numbers_of_a_step_are_each_ranks_own(train, monkeypatch):
    from srlab.training.module import GAN

    seeds = []
    for rank in (0, 1):
        monkeypatch.setattr(GAN, "global_rank", rank)
        watch(
            monkeypatch,
            lambda module: seeds.append(torch.initial_seed()) if module.global_step else None,
        )
        train(f"rank_{rank}", "trainer.max_steps=2", "schedule.pretrain_steps=2")
    assert len({*seeds}) == len(seeds) == 4


def test_layout_and_compilation_reach_the_networks(train, monkeypatch):
    compiled, kernels = [], {}

    def see(module):
        for name, network in module.networks.items():
            kernels[name] = [parameter for parameter in network.parameters() if parameter.ndim == 4]

    watch(monkeypatch, see)
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda self: compiled.append(type(self).__name__)
    )
    train(
        "fast",
        "channels_last=true",
        "compile=true",
        "trainer.max_steps=1",
        "schedule.pretrain_steps=0",
    )
    assert compiled == ["RRDB"]
    for name in ("generator", "discriminator"):
        assert kernels[name]
        assert all(
            kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels[name]
        ), name


@pytest.fixture(scope="module")
def logged(train):
    """The folder of a run with every logger."""
    pytest.importorskip("wandb")
    pytest.importorskip("mlflow")
    given = ["logger=[csv,tensorboard,wandb,mlflow]", "logger.wandb.offline=true"]
    return train(
        "loggers", *given, "trainer.max_steps=4", "trainer.val_check_interval=2", "penalty=r1"
    )


@pytest.fixture(scope="module")
def events(logged):
    return EventAccumulator(str(logged / "tensorboard")).Reload()


@pytest.fixture(scope="module")
def table(logged):
    """Each value of `metrics.csv` by its step and name."""
    found = {
        (step, name): v
        for step, row in rows(logged).items()
        for name, v in row.items()
        if name != "step"
    }
    assert {"loss/generator", "loss/penalty", "lr/discriminator", "val/psnr"} < {
        name for _, name in found
    }
    return found


def test_tensorboard_has_the_table(events, table):
    found = {
        (e.step, name): e.value for name in events.Tags()["scalars"] for e in events.Scalars(name)
    }
    assert {key: found.get(key) for key in table} == pytest.approx(table, rel=1e-6)


def test_wandb_has_the_table(logged, table):
    (sent,) = wandb_rows(logged)
    found = {(row["_step"], name): value for row in sent for name, value in row.items()}
    assert {key: found.get(key) for key in table} == pytest.approx(table, rel=1e-6)


def test_mlflow_has_the_table(logged, table):
    from mlflow import MlflowClient

    client, run = MlflowClient((logged / "mlflow").as_uri()), (logged / "mlflow_run").read_text()
    names = client.get_run(run).data.metrics
    found = {
        (e.step, name): e.value for name in names for e in client.get_metric_history(run, name)
    }
    assert {key: found.get(key) for key in table} == pytest.approx(table, rel=1e-6)


def test_tensorboard_has_pictures_and_histograms(events):
    assert events.Tags()["images"] == ["validation/0", "validation/1", "validation/2"]
    found = {"/".join(name.split("/")[:2]) for name in events.Tags()["histograms"]}
    networks = {
        f"{kind}/{name}"
        for kind in ("weights", "gradients")
        for name in ("generator", "discriminator")
    }
    assert found == networks | {"values/1", "values/2"}
