"""How runs end, one by one and in sweeps."""

import csv
import functools
import json
import logging
import math
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from conftest import TINY, Outcome, run_command
from hydra.utils import instantiate
from lightning import Callback
from test_conf import composed

from srlab.cli import arguments
from srlab.cli.search import Search

SHORT = [*TINY, "trainer.max_steps=3"]
DIVERGES = "optimiser.generator.lr=10"


def status(folder):
    return json.loads((folder / "status.json").read_text())


def scores(folder):
    with (folder / "metrics.csv").open() as file:
        return [float(row["val/psnr"]) for row in csv.DictReader(file) if row["val/psnr"]]


class CutShort(Callback):
    """Stops a run as Lightning's timer does, after two steps."""

    def on_train_batch_end(self, trainer, *_):
        trainer.should_stop = trainer.should_stop or trainer.global_step >= 2


@pytest.fixture
def returned(monkeypatch):
    """What each run of the next commands returns."""
    import srlab.train

    train, values = srlab.train.train, []

    @functools.wraps(train)
    def recording(config):
        values.append(train(config))
        return values[-1]

    monkeypatch.setattr(srlab.train, "train", recording)
    return values


class TestStatus:
    def test_completed(self, trained):
        expected = {
            "status": "completed",
            "step": 6,
            "best": max(scores(trained)),
            "monitor": "val/psnr",
        }
        assert status(trained) == pytest.approx(expected)

    def test_diverged(self, command, tmp_path):
        outcome = command("train", *SHORT, DIVERGES, "hydra.run.dir=run")
        assert outcome.code == 1
        assert outcome.error.startswith("error: ")
        assert "diverged" in outcome.error
        assert "\n" not in outcome.error
        ended = status(tmp_path / "run")
        assert ended["status"] == "diverged"
        assert 1 <= ended["step"] <= 3

    def test_stopped_early_counts_as_finished(self, command, tmp_path):
        stop = {
            "_target_": "lightning.pytorch.callbacks.EarlyStopping",
            "monitor": "val/psnr",
            "mode": "max",
        }
        given = [
            f"+callbacks.stop.{key}={value}"
            for key, value in {**stop, "stopping_threshold": -100}.items()
        ]
        steps = ["trainer.max_steps=1000", "trainer.val_check_interval=2", "hydra.run.dir=run"]
        assert command("train", *TINY, *given, *steps) == Outcome(0, "")
        assert status(tmp_path / "run") == {
            "status": "stopped early",
            "step": 2,
            "best": pytest.approx(max(scores(tmp_path / "run"))),
            "monitor": "val/psnr",
        }
        assert "is finished" in command("train", "resume=last", "hydra.run.dir=run").error

    def test_a_run_that_was_cut_short_has_none_and_goes_on(self, command, tmp_path):
        given = [
            "trainer.max_steps=1000",
            "callbacks.checkpoints.every=1",
            "+callbacks.cut._target_=test_sweep.CutShort",
        ]
        assert command("train", *TINY, *given, "hydra.run.dir=run") == Outcome(0, "")
        assert not (tmp_path / "run" / "status.json").exists()
        from srlab.cli.resume import resumed

        assert "resume='run/checkpoints/last.ckpt'" in resumed(["resume=last", "hydra.run.dir=run"])

    def test_is_absent_while_a_run_goes_on(self, command, tmp_path, monkeypatch):
        from lightning import Trainer

        given = [
            "callbacks.checkpoints.every=1",
            "on_nonfinite=raise",
            "optimiser.generator.lr=inf",
        ]
        assert (
            command(
                "train", *SHORT, *given, "trainer.log_every_n_steps=1", "hydra.run.dir=run"
            ).code
            == 1
        )
        fit, seen = Trainer.fit, []

        def watched(*args, **kwargs):
            seen.append((tmp_path / "run" / "status.json").exists())
            return fit(*args, **kwargs)

        monkeypatch.setattr(Trainer, "fit", watched)
        assert status(tmp_path / "run")["status"] == "diverged"
        outcome = command("train", "resume=last", "hydra.run.dir=run")
        assert "was not finite" in outcome.error  # the same batches, the same end
        assert seen == [False]
        assert status(tmp_path / "run")["status"] == "diverged"

    def test_last_passes_over_a_run_that_diverged(self, trained, tmp_path):
        from srlab.cli.resume import newest_unfinished

        older, newer = tmp_path / "older", tmp_path / "newer"
        for age, folder in enumerate((newer, older)):
            shutil.copytree(trained, folder)
            (folder / "status.json").unlink()
            config = folder / "config.yaml"
            config.write_text(config.read_text().replace("max_steps: 6", "max_steps: 7"))
            os.utime(folder / "checkpoints" / "last.ckpt", (10**9 - age, 10**9 - age))
        assert newest_unfinished([older, newer]) == newer
        (newer / "status.json").write_text(
            '{"status": "diverged", "step": 6, "best": null, "monitor": "val/psnr"}'
        )
        assert newest_unfinished([older, newer]) == older


class TestSweep:
    @pytest.mark.parametrize("mode", ["max", "min"])
    def test_a_run_that_diverges_is_finite_and_the_worst_and_the_others_go_on(
        self, command, tmp_path, returned, mode
    ):
        given = [*SHORT, f"callbacks.checkpoints.mode={mode}", "hydra.sweep.dir=sweep"]
        assert command("train", "-m", *given, "optimiser.generator.lr=10,1e-4") == Outcome(0, "")
        ends = [status(tmp_path / "sweep" / name)["status"] for name in "01"]
        assert ends == ["diverged", "completed"]
        assert all(math.isfinite(value) for value in returned)
        assert returned[0] == (min if mode == "max" else max)(returned)
        assert returned[1] == pytest.approx(scores(tmp_path / "sweep" / "1")[0])

    def test_a_run_without_a_score_is_finite_and_the_worst(self, command, returned):
        given = ["+trainer.limit_val_batches=0", "hydra.sweep.dir=sweep"]
        assert command("train", "-m", *SHORT, *given) == Outcome(0, "")
        assert returned == [-1e9]
        assert command("train", *SHORT, given[0], "hydra.run.dir=run") == Outcome(0, "")
        assert returned == [-1e9, None]

    def test_each_run_equals_the_run_alone(self, command, tmp_path):
        # a first job that leaves behind whatever it can
        first = ["trainer.deterministic=false,true", "seed=2"]
        sweep = ["hydra.sweep.dir=sweep", "trainer.log_every_n_steps=1"]
        assert command("train", "-m", *SHORT, *first, *sweep) == Outcome(0, "")
        torch.manual_seed(7)
        assert command("train", *SHORT, "seed=2", sweep[1], "hydra.run.dir=alone") == Outcome(0, "")
        for name in ("model.safetensors", "metrics.csv"):
            assert (tmp_path / "sweep" / "1" / name).read_bytes() == (
                tmp_path / "alone" / name
            ).read_bytes()

    @pytest.mark.parametrize(
        "given", [[], [DIVERGES], ["data.bands=[9]"]], ids=["well", "diverging", "mistaken"]
    )
    def test_leaves_the_process_as_it_was(self, command, monkeypatch, given):
        def state():
            loggers = [
                logging.getLogger(f"lightning.{name}").level for name in ("pytorch", "fabric")
            ]
            flags = [torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark]
            fill = torch.utils.deterministic.fill_uninitialized_memory
            generators = [
                random.getstate(),
                str(np.random.get_state()),
                torch.get_rng_state().tolist(),
            ]
            return (
                dict(os.environ),
                loggers,
                flags,
                fill,
                torch.get_num_threads(),
                generators,
                [*warnings.filters],
            )

        for name in ("pytorch", "fabric"):
            monkeypatch.setattr(logging.getLogger(f"lightning.{name}"), "level", logging.DEBUG)
        monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
        torch.use_deterministic_algorithms(False)
        given = [
            *given,
            "trainer.deterministic=true",
            "+trainer.benchmark=true",
            "hydra.run.dir=run",
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            before = state()
            command("train", *SHORT, *given)
            after = state()
        for one, other in zip(before, after, strict=True):
            assert one == other

    def test_a_strategy_that_would_run_the_sweep_again_is_refused(self, command, tmp_path):
        given = [
            "trainer.accelerator=cpu",
            "trainer.devices=2",
            "trainer.strategy=ddp_find_unused_parameters_true",
        ]
        outcome = command("train", "-m", *SHORT, *given, "seed=1,2", "hydra.sweep.dir=sweep")
        assert outcome.code == 1
        assert outcome.error.startswith("error: a sweep cannot run on 2 devices")
        assert "torchrun" in outcome.error
        assert "\n" not in outcome.error
        assert not list(tmp_path.glob("sweep/*/config.yaml"))

    @pytest.mark.slow
    def test_torchrun_may_run_a_sweep_on_several_devices(self, tmp_path):
        given = [
            "trainer.accelerator=cpu",
            "trainer.devices=2",
            "trainer.strategy=ddp_find_unused_parameters_true",
        ]
        torchrun = [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--nproc-per-node=2",
            "--standalone",
        ]
        command = [
            *torchrun,
            "-m",
            "srlab.train",
            "-m",
            *SHORT,
            *given,
            "seed=1,2",
            "hydra.sweep.dir=sweep",
        ]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        assert [status(tmp_path / "sweep" / name)["status"] for name in "01"] == ["completed"] * 2

    def test_no_run_of_an_earlier_sweep_is_overwritten(self, command, tmp_path):
        given = ["train", "-m", *SHORT, "hydra.sweep.dir=sweep"]
        assert command(*given) == Outcome(0, "")
        before = (tmp_path / "sweep" / "0" / "checkpoints" / "last.ckpt").read_bytes()
        assert "already holds a run" in command(*given, "seed=5").error
        assert (tmp_path / "sweep" / "0" / "checkpoints" / "last.ckpt").read_bytes() == before


class TestMistakes:
    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ("trainer.accelerator=foo", ["trainer: ", "foo", "cpu"]),
            ("+trainer.quick=true", ["trainer.quick is no argument of lightning.Trainer"]),
            ("generator._target_=srlab.generators.Nothing", ["generator._target_", "Nothing"]),
        ],
    )
    def test_is_refused_in_one_line_that_names_the_key(self, command, tmp_path, given, said):
        outcome = command("train", *SHORT, given, "hydra.run.dir=run")
        assert outcome.code == 1
        assert outcome.error.startswith(f"error: {said[0]}")
        assert all(words in outcome.error for words in said)
        assert "\n" not in outcome.error
        assert not (tmp_path / "run" / "config.yaml").exists()

    def test_our_own_words_stand_alone(self, command):
        assert command("train", *TINY, "data.crop_size=50", "hydra.run.dir=run").error.startswith(
            "error: data.crop_size"
        )

    def test_a_search_without_its_library_says_what_to_install(self, command, monkeypatch):
        monkeypatch.setattr(arguments, "distributions", lambda name: iter([]))
        outcome = command("train", "-m", "sweep=optuna")
        assert outcome.code == 1
        assert outcome.error.endswith('pip install "srlab[sweep]".')
        assert "\n" not in outcome.error

    def test_a_search_is_not_resumed_as_one_run(self):
        from srlab.cli.resume import resumed

        with pytest.raises(ValueError, match="cannot be combined with -m or sweep="):
            resumed(["sweep=optuna", "resume=last"])


RATES = [1e-4, 1e-3, 10.0, 3e-4]
SEARCH = [
    *("sweep=optuna", *TINY, "trainer.max_steps=2", "hydra.sweep.dir=search"),
    *("adversarial.weight=0.001", "optimiser.discriminator.lr=1e-4"),
]


WIDE = "optimiser.generator.lr=tag(log,interval(1e-5,100))"


def prepared(folder, *more, n_trials):
    """The settings of the sweeper of a search, as they are when it is built."""
    from srlab.cli.configuration import composed

    given = ["sweep=optuna", f"hydra.sweep.dir={folder}", f"hydra.sweeper.n_trials={n_trials}"]
    config = composed("train", [*given, *more], with_hydra=True)
    Search().on_multirun_start(config)
    return config.hydra.sweeper


def study_of(sweeper, sampler=None):
    import optuna

    name, storage = sweeper.study_name, sweeper.storage
    return optuna.create_study(
        study_name=name, storage=storage, sampler=sampler, load_if_exists=True
    )


def trials(folder):
    """State, value and learning rate of each trial, read without Optuna."""
    with sqlite3.connect(folder / "study.db") as study:
        query = """SELECT state, value, param_value FROM trials JOIN trial_values USING (trial_id)
                   JOIN trial_params USING (trial_id) ORDER BY trial_id"""
        return study.execute(query).fetchall()


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    """The folder of a study that was asked for four learning rates, one of which diverges."""
    import optuna

    folder = tmp_path_factory.mktemp("optuna")
    (folder / "search").mkdir()
    storage = f"sqlite:///{folder}/search/study.db"
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")  # of Optuna's and SQLAlchemy's own future
        study = optuna.create_study(storage=storage, study_name="srlab", direction="maximize")
        for rate in RATES:
            study.enqueue_trial({"optimiser.generator.lr": rate})
        patch.chdir(folder)
        assert run_command("train", [*SEARCH, WIDE, "hydra.sweeper.n_trials=4"]) == Outcome(0, "")
    return folder / "search"


class TestOneFailingJob:
    def test_the_others_go_on_and_its_log_says_why(self, command, tmp_path):
        outcome = command("train", "-m", *SHORT, "data.crop_size=30,32", "hydra.sweep.dir=sweep")
        assert outcome.code == 1
        assert "data.crop_size (30, 30) is not a multiple of the scale" in outcome.error
        assert "\n" not in outcome.error
        assert [path.parent.name for path in tmp_path.rglob("status.json")] == ["1"]
        assert "data.crop_size (30, 30)" in (tmp_path / "sweep" / "0" / "train.log").read_text()

    def test_a_bug_leaves_its_traceback_in_the_log(self, command, tmp_path, monkeypatch):
        from srlab.training.schedule import Schedule

        monkeypatch.setattr(Schedule, "share", lambda schedule, step: {}["shre"])
        every = "trainer.log_every_n_steps=1"
        with pytest.raises(KeyError):
            command("train", "-m", *SHORT, every, "seed=1,2", "hydra.sweep.dir=sweep")
        logs = [path.read_text() for path in tmp_path.rglob("train.log")]
        assert len(logs) == 2
        assert all("KeyError: 'shre'" in log and "Traceback" in log for log in logs)

    def test_a_search_marks_it_as_failed_and_goes_on(self, command, tmp_path):
        search = [*SEARCH, "seed=choice(-1,1)", "optimiser.generator.lr=1e-4"]
        outcome = command("train", *search, "hydra.sweeper.n_trials=4")
        with sqlite3.connect(tmp_path / "search" / "study.db") as study:
            states = [state for (state,) in study.execute("SELECT state FROM trials")]
        assert len(states) == 4
        assert set(states) == {"COMPLETE", "FAIL"}
        assert outcome.code == 1
        assert f"{states.count('FAIL')} of the sweep's jobs failed" in outcome.error


class TestSearch:
    def test_every_trial_is_complete_and_the_one_that_diverged_the_worst(self, search):
        states, values, rates = zip(*trials(search), strict=True)
        assert set(states) == {"COMPLETE"}
        assert rates == pytest.approx(RATES)
        assert min(values) == values[RATES.index(10)] == -1e9
        assert sum(value > 0 for value in values) == 3

    def test_best_parameters_are_told(self, search):
        told = (search / "optimization_results.yaml").read_text()
        _, value, rate = max(trials(search), key=lambda trial: trial[1])
        assert f"optimiser.generator.lr: {rate}" in told
        assert f"best_value: {value}" in told

    def test_goes_on_in_its_folder_to_the_number_of_trials_in_all(
        self, search, monkeypatch, capsys
    ):
        monkeypatch.chdir(search.parent)
        runs = len([*search.glob("*/status.json")])
        for _ in range(2):  # the second time nothing is left
            given = [*SEARCH, WIDE, f"hydra.sweeper.n_trials={len(RATES) + 1}"]
            assert run_command("train", given) == Outcome(0, "")
            assert len(trials(search)) == len(RATES) + 1
            assert len([*search.glob("*/status.json")]) == runs + 1
            assert "Best parameters: {'optimiser.generator.lr'" in capsys.readouterr().out

    def test_an_interrupted_trial_is_resumed_alone(self, search, command, tmp_path):
        run = tmp_path / "run"
        shutil.copytree(next(path.parent for path in search.glob("*/checkpoints")), run)
        (run / "status.json").unlink()
        for name, before in (
            ("config.yaml", "max_steps: 2"),
            (".hydra/overrides.yaml", "max_steps=2"),
        ):
            text = (run / name).read_text()
            assert before in text
            (run / name).write_text(text.replace(before, before.replace("2", "4")))
        assert command("train", "resume=last", "hydra.run.dir=run") == Outcome(0, "")
        assert status(run)["step"] == 4
        assert {path.name for path in tmp_path.iterdir()} == {"run"}

    def test_the_same_seed_searches_the_same(self, command, tmp_path):
        for name in ("one", "two"):
            given = [
                *SEARCH,
                "hydra.sweeper.n_trials=2",
                "+trainer.limit_val_batches=0",
                f"hydra.sweep.dir={name}",
            ]
            assert command("train", *given) == Outcome(0, "")
        one, two = trials(tmp_path / "one"), trials(tmp_path / "two")
        assert one == two
        assert one[0][2] != one[1][2]

    @pytest.mark.parametrize("sampler", ["tpe", "random"])
    def test_a_study_that_is_gone_on_with_draws_no_point_twice(self, tmp_path, sampler):
        """Five starts, with two trials more each time."""
        points = []
        for start in range(1, 6):
            sweeper = prepared(tmp_path, f"hydra/sweeper/sampler={sampler}", n_trials=2 * start)
            study = study_of(sweeper, sampler=instantiate(sweeper.sampler))
            assert sweeper.n_trials == 2
            for _ in range(sweeper.n_trials):
                trial = study.ask()
                points.append(trial.suggest_float("rate", 0, 1))
                study.tell(trial, 1.0)
        assert len(set(points)) == len(points) == 10

    def test_trials_that_failed_are_done_and_those_that_were_killed_are_not(self, tmp_path):
        from optuna.trial import TrialState

        study = study_of(prepared(tmp_path, n_trials=6))
        study.tell(study.ask(), 1.0)
        study.tell(study.ask(), state=TrialState.FAIL)
        study.ask()  # and no more of it
        sweeper = prepared(tmp_path, n_trials=6)
        assert (sweeper.n_trials, sweeper.sampler.seed) == (4, 3)

    def test_a_study_whose_trials_all_failed_is_told_when_none_is_left(self, command, tmp_path):
        from optuna.trial import TrialState

        study = study_of(prepared(tmp_path / "search", n_trials=1))
        study.tell(study.ask(), state=TrialState.FAIL)
        outcome = command("train", *SEARCH, "hydra.sweeper.n_trials=1")
        assert outcome.code == 1
        assert "has its 1 trials, and all of them failed; raise hydra.sweeper" in outcome.error

    @pytest.mark.parametrize(("mode", "direction"), [("max", "maximize"), ("min", "minimize")])
    def test_seeks_what_the_checkpoints_monitor(self, mode, direction):
        config = composed(["sweep=optuna", f"callbacks.checkpoints.mode={mode}"])
        assert config.hydra.sweeper.direction == direction

    def test_every_key_that_is_searched_exists(self):
        config = composed(["sweep=optuna"])
        for key in config.hydra.sweeper.params:
            assert composed([f"{key}=0.5"])
