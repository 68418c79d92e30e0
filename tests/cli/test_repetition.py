import logging

import yaml

from srlab.cli.configuration import config_dir
from srlab.cli.repetition import SaidOnce


def line(level, text, *values):
    return logging.LogRecord("srlab", level, "", 0, text, values, None)


def test_a_line_of_information_passes_once_and_a_warning_always():
    once = SaidOnce()
    said = [line(logging.INFO, "overlap %d", pixels) for pixels in (6, 12, 6)]
    assert [once.filter(record) for record in said] == [True, True, False]
    assert [once.filter(line(logging.WARNING, "overlap 6")) for _ in range(2)] == [True, True]


def test_commands_without_a_log_file_say_nothing_twice():
    with open(f"{config_dir()}/hydra/job_logging/quiet.yaml") as file:
        settings = yaml.safe_load(file)
    assert settings["filters"] == {"once": {"()": f"{SaidOnce.__module__}.SaidOnce"}}
    assert settings["handlers"]["console"]["filters"] == ["once"]
