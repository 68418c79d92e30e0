import csv

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from srlab.training.loggers.csv_logger import CSVLogger


def rows(folder):
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def logger(folder, **arguments):
    return CSVLogger(folder=str(folder), **arguments)


def test_file_is_complete_after_every_call(tmp_path):
    log = logger(tmp_path / "run" / "deeper")
    expected = []
    for step in range(1, 30):
        log.log_metrics({"loss": step / 8}, step=step)
        expected.append({"step": str(step), "loss": str(step / 8)})
        assert rows(tmp_path / "run" / "deeper") == expected
    assert [path.name for path in (tmp_path / "run" / "deeper").iterdir()] == ["metrics.csv"]


def test_values_of_one_step_share_a_row(tmp_path):
    log = logger(tmp_path)
    log.log_metrics({"loss": 1.0, "rate": 0.5}, step=10)
    log.log_metrics({"loss": 2.0}, step=10)
    log.log_metrics({"loss": 3.0}, step=20)
    assert rows(tmp_path) == [
        {"step": "10", "loss": "2.0", "rate": "0.5"},
        {"step": "20", "loss": "3.0", "rate": ""},
    ]


def test_longer_and_shorter_values_replace_each_other_cleanly(tmp_path):
    log = logger(tmp_path)
    for value in (0.1234567890123, 1.0, 12345.678901):
        log.log_metrics({"loss": value}, step=1)
        assert rows(tmp_path) == [{"step": "1", "loss": repr(value)}]


def test_new_columns_leave_earlier_rows_blank(tmp_path):
    log = logger(tmp_path)
    log.log_metrics({"loss": 1.0}, step=1)
    log.log_metrics({"loss": 2.0}, step=2)
    log.log_metrics({"psnr": 30.0, "ssim": 0.5}, step=2)
    log.log_metrics({"rate": 4.0}, step=3)
    log.log_metrics({"loss": 5.0}, step=4)
    blank = {"loss": "", "psnr": "", "ssim": "", "rate": ""}
    assert rows(tmp_path) == [
        {"step": "1", **blank, "loss": "1.0"},
        {"step": "2", **blank, "loss": "2.0", "psnr": "30.0", "ssim": "0.5"},
        {"step": "3", **blank, "rate": "4.0"},
        {"step": "4", **blank, "loss": "5.0"},
    ]


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(values=st.lists(st.floats(), min_size=1, max_size=5))
def test_floats_survive_the_file_exactly(tmp_path, values):
    log = logger(tmp_path)
    for step, value in enumerate(values):
        log.log_metrics({"loss": value}, step=step)
    read = [float(row["loss"]) for row in rows(tmp_path)]
    assert [*map(repr, read)] == [*map(repr, values)]  # NaN included, and the sign of zero


def history(folder, steps=(10, 20, 30, 40)):
    log = logger(folder)
    for step in steps:
        log.log_metrics({"loss": step / 10}, step=step)


@pytest.mark.parametrize(
    ("purge_step", "kept"), [(0, []), (10, []), (11, ["10"]), (31, ["10", "20", "30"])]
)
def test_resumed_run_keeps_rows_before_the_purge_step(tmp_path, purge_step, kept):
    history(tmp_path)
    log = logger(tmp_path, purge_step=purge_step)
    log.log_metrics({"loss": 9.0}, step=35)
    assert [row["step"] for row in rows(tmp_path)] == [*kept, "35"]
    assert rows(tmp_path)[:-1] == [{"step": step, "loss": str(int(step) / 10)} for step in kept]


def test_resumed_run_has_the_rows_of_an_uninterrupted_one(tmp_path):
    def train(folder, steps, **arguments):
        log = logger(folder, **arguments)
        for step in steps:
            log.log_metrics({"loss": 1 / step}, step=step)
            if step % 4 == 0:
                log.log_metrics({"psnr": step / 3}, step=step)

    train(tmp_path / "whole", range(1, 21))
    train(tmp_path / "cut", range(1, 11))
    train(tmp_path / "cut", range(9, 21), purge_step=9)
    assert rows(tmp_path / "cut") == rows(tmp_path / "whole")


def test_new_column_after_a_resume_keeps_the_earlier_rows(tmp_path):
    history(tmp_path, steps=(1, 2))
    log = logger(tmp_path, purge_step=3)
    log.log_metrics({"psnr": 7.0}, step=3)
    assert rows(tmp_path) == [
        {"step": "1", "loss": "0.1", "psnr": ""},
        {"step": "2", "loss": "0.2", "psnr": ""},
        {"step": "3", "loss": "", "psnr": "7.0"},
    ]


def test_new_run_replaces_an_earlier_file(tmp_path):
    history(tmp_path)
    logger(tmp_path).log_metrics({"other": 1.0}, step=1)
    assert rows(tmp_path) == [{"step": "1", "other": "1.0"}]


def test_nothing_is_touched_before_something_is_logged(tmp_path):
    history(tmp_path)
    before = (tmp_path / "metrics.csv").read_bytes()
    log = logger(tmp_path)
    log.log_hyperparams({"scale": 4})
    assert (tmp_path / "metrics.csv").read_bytes() == before


def test_names_with_commas_and_quotes_are_columns_of_their_own(tmp_path):
    log = logger(tmp_path)
    log.log_metrics({'psnr, "Y"': 1.0, "loss/l1": 2.0}, step=1)
    assert rows(tmp_path) == [{"step": "1", 'psnr, "Y"': "1.0", "loss/l1": "2.0"}]
