import math
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from counting import files, kept_steps, ranked, run
from hydra.utils import instantiate
from lightning import Callback
from lightning.pytorch.callbacks import EarlyStopping
from omegaconf import OmegaConf
from safetensors.torch import load_file

from srlab.cli.configuration import config_dir
from srlab.models.bundle import load_checkpoint
from srlab.training.callbacks import Checkpoints, durable

pytestmark = pytest.mark.filterwarnings("ignore")


class Killed(BaseException):
    pass


def bundled(folder):
    """The step of the bundle."""
    return int(load_file(folder / "model.safetensors")["weight"][0])


def from_four(step):
    return -abs(step - 4)


@pytest.mark.parametrize(("keep", "mode"), [(1, "max"), (3, "min")])
def test_best_checkpoints_stand_by_rank(tmp_path, keep, mode):
    def score(step):
        return math.sin(1.7 * step)

    run(tmp_path, score=score, keep=keep, mode=mode, steps=21)
    best = ranked([*range(2, 21, 2), 21], score, keep, mode)
    assert files(tmp_path) == {"last": 21, **best}
    state = load_checkpoint(tmp_path / "checkpoints" / "last.ckpt")["callbacks"]["Checkpoints"]
    assert state == {"kept": [[score(step), step] for step in best.values()]}
    assert not list(tmp_path.rglob("*.partial"))


def test_runs_without_validations_have_a_last_checkpoint_and_a_bundle(tmp_path):
    run(tmp_path, validate_every=0, steps=8)
    assert files(tmp_path) == {"last": 8}
    assert bundled(tmp_path) == 8


def test_of_equal_scores_the_first_is_the_best(tmp_path):
    run(tmp_path, score=lambda step: 1.0, steps=8)
    assert files(tmp_path) == {"last": 8, "best": 2, "best_2": 4, "best_3": 6}


def test_a_score_that_is_not_a_number_is_never_kept(tmp_path):
    run(tmp_path, score=lambda step: math.nan if step < 7 else -1.0, steps=8)
    assert files(tmp_path) == {"last": 8, "best": 8}


@pytest.mark.parametrize("mode", ["max", "min"])
def test_a_score_that_is_infinitely_good_is_the_best_and_a_bad_one_is_never_kept(tmp_path, mode):
    sign = {"max": 1, "min": -1}[mode]
    values = {2: 1.0, 4: sign * math.inf, 6: -sign * math.inf, 8: sign * math.inf}
    run(tmp_path, score=values.__getitem__, mode=mode, steps=8)
    assert files(tmp_path) == {"last": 8, "best": 4, "best_2": 8, "best_3": 2}


def test_early_stopping_goes_on_after_a_score_that_is_not_finite(tmp_path):
    stopping = OmegaConf.load(Path(config_dir()) / "callbacks" / "early_stopping.yaml")
    callback = instantiate(stopping.early_stopping, monitor="score", patience=5)
    values = {4: math.inf, 6: math.nan}
    run(tmp_path, callback, score=lambda step: values.get(step, 1.0), steps=8)
    assert files(tmp_path)["last"] == 8


def test_unknown_monitor_is_named_with_what_there_is(tmp_path):
    message = "monitor 'val/psnr', which validation does not report; it reports score"
    with pytest.raises(ValueError, match=message):
        run(tmp_path, monitor="val/psnr", steps=2)


def test_impossible_arguments_are_refused():
    for given in [{"every": 0}, {"keep": 0}, {"mode": "best"}]:
        with pytest.raises(ValueError, match=r"give every and keep >= 1 and mode 'max' or 'min'."):
            Checkpoints(**{"folder": ".", "every": 1, "monitor": "a", "mode": "max", **given})


def test_bundle_is_the_best_and_in_the_end_the_last(tmp_path):
    seen = {}

    class Look(Callback):
        def on_train_batch_start(self, trainer, *_):
            if (tmp_path / "model.safetensors").exists():
                seen[trainer.global_step] = bundled(tmp_path)

    run(tmp_path, Look(), score=from_four, steps=9)
    assert seen == {2: 2, 3: 2, **dict.fromkeys(range(4, 9), 4)}
    assert bundled(tmp_path) == 9


def run_until(moment, folder, monkeypatch, **given):
    """Run, but be killed before a file gets a name for the `moment`-th time, from 1.

    Returned is the number of times that files got a name.
    """
    replace, count = os.replace, 0

    def counted(source, target):
        nonlocal count
        count += 1
        if count == moment:
            raise Killed
        replace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", counted)
        with suppress(Killed):
            run(folder, **given)
    return count


def test_run_killed_between_any_two_files_goes_on_with_the_same_ranks(tmp_path, monkeypatch):
    """In ten steps a checkpoint comes in at each rank."""
    whole = tmp_path / "whole"
    for moment in range(1, run_until(0, whole, monkeypatch, steps=10) + 1):
        folder = tmp_path / str(moment)
        run_until(moment, folder, monkeypatch, steps=10)
        for path in folder.rglob("*.partial"):
            path.unlink()
            path.write_bytes(b"half a checkpoint")
        run(folder, steps=10, resume=(folder / "checkpoints" / "last.ckpt").exists())
        assert files(folder) == files(whole) == {"last": 10, **ranked(range(2, 11, 2))}, moment
        assert kept_steps(folder) == kept_steps(whole)
        assert bundled(folder) == 10
        assert not list(folder.rglob("*.partial"))


def test_kill_costs_no_best_checkpoint_even_if_only_one_is_kept(tmp_path, monkeypatch):
    """Gone on with, the run has the best of its last checkpoint, before it comes to another."""
    whole = tmp_path / "whole"
    for moment in range(1, run_until(0, whole, monkeypatch, steps=8, keep=1) + 1):
        folder = tmp_path / str(moment)
        run_until(moment, folder, monkeypatch, steps=8, keep=1)
        if not (folder / "checkpoints" / "last.ckpt").exists():
            continue
        last, best = files(folder)["last"], kept_steps(folder)
        run(folder, steps=last + 1, validate_every=0, keep=1, resume=True)
        found = files(folder)
        del found["last"]
        assert [*found.values()] == best
        assert not (folder / "checkpoints" / ".dropped.ckpt").exists()


def test_ranks_are_those_of_the_checkpoint_that_a_run_goes_on_from(tmp_path):
    run(tmp_path, steps=12)
    run(tmp_path / "earlier", steps=6)
    earlier = tmp_path / "earlier" / "checkpoints" / "last.ckpt"
    earlier.replace(tmp_path / "checkpoints" / "last.ckpt")
    run(tmp_path, steps=7, validate_every=0, resume=True)
    found = files(tmp_path)
    assert found.pop("last") == 7
    assert {*found.values()} <= {*kept_steps(tmp_path)} == {2, 4, 6}
    assert len(found) == len({*found.values()})


def test_a_new_checkpoint_never_overwrites_the_file_of_another(tmp_path, monkeypatch):
    run_until(2, tmp_path, monkeypatch)  # named best, and not yet last
    folder = tmp_path / "checkpoints"
    assert (folder / ".last.ckpt.partial").samefile(folder / "best.ckpt")
    content = (folder / "best.ckpt").read_bytes()
    durable.DurableIO().save_checkpoint({}, folder / ".last.ckpt.partial")
    assert (folder / "best.ckpt").read_bytes() == content


def test_copies_serve_where_there_are_no_hard_links(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    run(tmp_path, steps=12)
    assert files(tmp_path) == {"last": 12, **ranked(range(2, 13, 2))}
    assert not list(tmp_path.rglob("*.partial"))


def test_checkpoint_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    done = []
    sync, replace = os.fsync, os.replace

    def noted_sync(file):
        done.append(("sync", os.fstat(file).st_ino))
        sync(file)

    def noted_replace(source, target):
        done.append(("name", os.stat(source).st_ino))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(os, "replace", noted_replace)
    run(tmp_path, steps=4)
    for path in (tmp_path / "checkpoints").glob("*.ckpt"):
        inode = path.stat().st_ino
        assert done.index(("sync", inode)) < done.index(("name", inode))


def test_nothing_is_written_elsewhere(tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", None)
    run(tmp_path, steps=4)
    before = temporary.stat().st_mtime_ns
    run(tmp_path, steps=8, resume=True)
    assert temporary.stat().st_mtime_ns == before


def test_full_disk_ends_in_a_message_and_leaves_the_earlier_checkpoint(tmp_path, monkeypatch):
    run(tmp_path, steps=4)
    before = files(tmp_path)

    def full(content, file):
        file.write(b"half")
        raise RuntimeError("[enforce fail at inline_container.cc:1] . unexpected pos 64 vs 0")

    monkeypatch.setattr(torch, "save", full)
    message = r"could not be written to .*checkpoints: .* If the disk is full, make room;"
    with pytest.raises(OSError, match=message):
        run(tmp_path, steps=8, resume=True)
    assert files(tmp_path) == before


def stop_after(patience):
    return EarlyStopping(monitor="score", mode="max", patience=patience)


def test_early_stop_is_in_the_checkpoint_and_ends_the_run_as_its_last_step_does(tmp_path):
    module = run(tmp_path, stop_after(3), score=from_four, steps=100)
    assert module.scored == [2, 4, 6, 8, 10]
    last = load_checkpoint(tmp_path / "checkpoints" / "last.ckpt")
    assert last["global_step"] == 10
    (name,) = (name for name in last["callbacks"] if name.startswith("EarlyStopping"))
    assert last["callbacks"][name]["wait_count"] == 3
    assert last["callbacks"][name]["stopping_reason"]
    assert bundled(tmp_path) == 10


@pytest.mark.parametrize("killed_at", [1, 9])
def test_early_stop_comes_at_the_same_step_after_a_resume(tmp_path, killed_at):
    class Kill(Callback):
        def on_train_batch_start(self, trainer, *_):
            if trainer.global_step == killed_at:
                raise Killed

    given = {"score": from_four, "steps": 100}
    with pytest.raises(Killed):
        run(tmp_path, stop_after(3), Kill(), **given)
    started = (tmp_path / "checkpoints" / "last.ckpt").exists()
    run(tmp_path, stop_after(3), resume=started, **given)
    assert files(tmp_path) == {"last": 10, "best": 4, "best_2": 2, "best_3": 6}


@pytest.mark.slow
def test_fifty_kills_leave_a_run_that_goes_on(tmp_path):
    done = subprocess.run([sys.executable, __file__, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def kill_again_and_again(folder):
    """Kill children that write checkpoints back to back, and look at the files after each kill."""
    torch.set_num_threads(1)
    moments = random.Random()
    steps = 0
    for _ in range(50):
        child = os.fork()
        if not child:
            started = (folder / "checkpoints" / "last.ckpt").exists()
            run(folder, steps=10**6, validate_every=1, every=1, resume=started)
            os._exit(1)
        wait_for_progress(folder / "checkpoints", child)
        time.sleep(moments.uniform(0, 0.1))
        os.kill(child, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        steps = reached(folder, steps)
    end = steps + 5
    run(folder, steps=end, validate_every=1, every=1, resume=True)
    assert files(folder) == {"last": end, **ranked(range(1, end + 1))}
    assert not list(folder.rglob("*.partial"))


def wait_for_progress(folder, child):
    """Wait until a child writes, so that a kill seldom comes while it only starts."""
    before = folder.exists() and folder.stat().st_mtime_ns
    while (folder.exists() and folder.stat().st_mtime_ns) == before:
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "the child ended by itself"
        time.sleep(0.001)


def reached(folder, before):
    """The step of the last checkpoint, which must not be less than `before`."""
    found = files(folder)
    if not before and "last" not in found:
        return 0
    last = found.pop("last")
    assert last >= before, "the last checkpoint went back"
    assert kept_steps(folder) == [*ranked(range(1, last + 1)).values()]
    assert {*kept_steps(folder)} <= {*found.values()}, "one of the best is lost"
    return last


if __name__ == "__main__":
    kill_again_and_again(Path(sys.argv[1]))
