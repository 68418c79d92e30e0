import io
import sys

import pytest

from srlab import progress as module
from srlab.progress import progress, tracked


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


def test_outside_a_terminal_there_is_a_line_a_minute_and_a_last_one(clock, capsys):
    with progress(1000, unit="step", title="training") as done:
        for _ in range(1000):
            clock.now += 0.21  # three and a half minutes in all
            done.advance()
    text = capsys.readouterr().err
    lines = text.splitlines()
    assert "\r" not in text
    assert [line.partition("[")[0] for line in lines] == [
        "training:  29% 286/1000 ",
        "training:  57% 572/1000 ",
        "training:  86% 858/1000 ",
        "training: 100% 1000/1000 ",
    ]
    assert "4.76step/s" in lines[-1]


def test_short_task_has_its_last_line_alone(clock, capsys):
    assert [*tracked("abc", unit="image", title="evaluating")] == ["a", "b", "c"]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("evaluating: 100% 3/3 ")


def test_task_that_ends_early_says_how_far_it_came(clock, capsys):
    begun = progress(10, unit="step", done=4)
    begun.advance(2)
    begun.close()
    begun.close()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(" 60% 6/10 ")


def test_scores_stand_behind_the_numbers(clock, capsys):
    with progress(2, unit="step") as done:
        done.note({"psnr": "24.1"})
        done.note({"ssim": "0.8"})
        done.advance()
    assert capsys.readouterr().err.strip().endswith("psnr=24.1, ssim=0.8]")


def test_nothing_is_shown_that_is_not_to_be(capsys):
    with progress(2, unit="step", shown=False) as done:
        done.note({"psnr": "24.1"})
        done.advance()
    assert capsys.readouterr().err == ""


def test_terminal_has_a_bar_that_is_drawn_again(monkeypatch):
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress(2, unit="step", title="training") as done:
        done.advance(2)
    assert terminal.getvalue().count("\r") > 1
    assert "2/2" in terminal.getvalue()
