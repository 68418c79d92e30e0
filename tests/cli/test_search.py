"""Searches with Optuna: begun, failing, gone on with."""

import json
import shutil
import sqlite3
import warnings

import pytest
from conftest import TINY, Outcome, run_command
from hydra.utils import instantiate
from test_conf import composed

from srlab.cli import arguments
from srlab.cli.search import Search

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


def status(folder):
    return json.loads((folder / "status.json").read_text())


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


def test_a_search_without_its_library_says_what_to_install(command, monkeypatch):
    monkeypatch.setattr(arguments, "distributions", lambda name: iter([]))
    outcome = command("train", "-m", "sweep=optuna")
    assert outcome.code == 1
    assert outcome.error.endswith('pip install "srlab[sweep]".')
    assert "\n" not in outcome.error


def test_a_search_is_not_resumed_as_one_run():
    from srlab.cli.resume import resumed

    with pytest.raises(ValueError, match="cannot be combined with -m or sweep="):
        resumed(["sweep=optuna", "resume=last"])


@pytest.mark.parametrize("seeds", ["-1,1", "-1,-2"])
def test_a_search_marks_it_as_failed_and_goes_on(command, tmp_path, seeds):
    search = [*SEARCH, f"seed=choice({seeds})", "optimiser.generator.lr=1e-4"]
    outcome = command("train", *search, "hydra.sweeper.n_trials=4")
    with sqlite3.connect(tmp_path / "search" / "study.db") as study:
        states = [state for (state,) in study.execute("SELECT state FROM trials")]
    assert len(states) == 4
    assert set(states) == ({"COMPLETE", "FAIL"} if seeds == "-1,1" else {"FAIL"})
    assert outcome.code == 1
    assert f"{states.count('FAIL')} of the sweep's jobs failed" in outcome.error


def test_every_trial_is_complete_and_the_one_that_diverged_the_worst(search):
    states, values, rates = zip(*trials(search), strict=True)
    assert set(states) == {"COMPLETE"}
    assert rates == pytest.approx(RATES)
    assert min(values) == values[RATES.index(10)] == -1e9
    assert sum(value > 0 for value in values) == 3


def test_best_parameters_are_told(search):
    told = (search / "optimization_results.yaml").read_text()
    _, value, rate = max(trials(search), key=lambda trial: trial[1])
    assert f"optimiser.generator.lr: {rate}" in told
    assert f"best_value: {value}" in told


def test_goes_on_in_its_folder_to_the_number_of_trials_in_all(search, monkeypatch, capsys):
    monkeypatch.chdir(search.parent)
    runs = len([*search.glob("*/status.json")])
    for _ in range(2):  # the second time nothing is left
        given = [*SEARCH, WIDE, f"hydra.sweeper.n_trials={len(RATES) + 1}"]
        assert run_command("train", given) == Outcome(0, "")
        assert len(trials(search)) == len(RATES) + 1
        assert len([*search.glob("*/status.json")]) == runs + 1
        assert "Best parameters: {'optimiser.generator.lr'" in capsys.readouterr().out


def test_an_interrupted_trial_is_resumed_alone(search, command, tmp_path):
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


def test_the_same_seed_searches_the_same(command, tmp_path):
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
def test_a_study_that_is_gone_on_with_draws_no_point_twice(tmp_path, sampler):
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


def test_trials_that_failed_are_done_and_those_that_were_killed_are_not(tmp_path):
    from optuna.trial import TrialState

    study = study_of(prepared(tmp_path, n_trials=6))
    study.tell(study.ask(), 1.0)
    study.tell(study.ask(), state=TrialState.FAIL)
    study.ask()  # and no more of it
    sweeper = prepared(tmp_path, n_trials=6)
    assert (sweeper.n_trials, sweeper.sampler.seed) == (4, 3)


def test_a_study_whose_trials_all_failed_is_told_when_none_is_left(command, tmp_path):
    from optuna.trial import TrialState

    study = study_of(prepared(tmp_path / "search", n_trials=1))
    study.tell(study.ask(), state=TrialState.FAIL)
    outcome = command("train", *SEARCH, "hydra.sweeper.n_trials=1")
    assert outcome.code == 1
    assert "has its 1 trials, and all of them failed; raise hydra.sweeper" in outcome.error


@pytest.mark.parametrize(("mode", "direction"), [("max", "maximize"), ("min", "minimize")])
def test_seeks_what_the_checkpoints_monitor(mode, direction):
    config = composed(["sweep=optuna", f"callbacks.checkpoints.mode={mode}"])
    assert config.hydra.sweeper.direction == direction


def test_every_key_that_is_searched_exists():
    config = composed(["sweep=optuna"])
    for key in config.hydra.sweeper.params:
        assert composed([f"{key}=0.5"])
