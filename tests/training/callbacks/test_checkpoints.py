import math
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
import torch
from counting import rising, run
from lightning import Callback
from lightning.pytorch.callbacks import EarlyStopping
from safetensors.torch import load_file

from srlab.models.bundle import load_checkpoint
from srlab.training.callbacks import Checkpoints, checkpoints

warnings.filterwarnings("ignore", module="lightning")
pytestmark = pytest.mark.filterwarnings("ignore")


class Killed(BaseException):
    pass


def files(folder):
    """The step of each checkpoint, by its name, if its weights are those of its step."""
    found = {}
    for path in sorted((folder / "checkpoints").glob("*.ckpt")):
        content = load_checkpoint(path)
        assert (content["state_dict"]["weight"] == content["global_step"]).all()
        found[path.stem] = content["global_step"]
    return found


def state(folder, name="last"):
    return load_checkpoint(folder / "checkpoints" / f"{name}.ckpt")["callbacks"]["Checkpoints"]


def ranked(steps, score, keep, mode="max"):
    best = sorted(steps, key=score, reverse=mode == "max")[:keep]
    return {"best" if rank == 0 else f"best_{rank + 1}": step for rank, step in enumerate(best)}


@pytest.mark.parametrize("mode", ["max", "min"])
@pytest.mark.parametrize("keep", [1, 3])
def test_best_checkpoints_stand_by_rank(tmp_path, keep, mode):
    def score(step):
        return math.sin(1.7 * step)

    run(tmp_path, score=score, keep=keep, mode=mode, steps=21)
    validated = [*range(2, 21, 2), 21]
    assert files(tmp_path) == {"last": 21, **ranked(validated, score, keep, mode)}
    kept = [[score(step), step] for step in ranked(validated, score, keep, mode).values()]
    assert state(tmp_path) == {"kept": kept}
    assert not list(tmp_path.rglob("*.partial"))


def test_runs_without_validations_have_a_last_checkpoint_and_a_bundle(tmp_path):
    run(tmp_path, validate_every=0, steps=8)
    assert files(tmp_path) == {"last": 8}
    assert int(load_file(tmp_path / "model.safetensors")["weight"][0]) == 8


def test_of_equal_scores_the_first_is_the_best(tmp_path):
    run(tmp_path, score=lambda step: 1.0, steps=8)
    assert files(tmp_path) == {"last": 8, "best": 2, "best_2": 4, "best_3": 6}


def test_a_score_that_is_not_a_number_is_never_kept(tmp_path):
    run(tmp_path, score=lambda step: math.nan if step < 7 else -1.0, steps=8)
    assert files(tmp_path) == {"last": 8, "best": 8}


def test_unknown_monitor_is_named_with_what_there_is(tmp_path):
    with pytest.raises(
        ValueError,
        match="checkpoints monitor 'val/psnr', which validation does not report; it repor",
    ):
        run(tmp_path, monitor="val/psnr")


@pytest.mark.parametrize("given", [{"every": 0}, {"keep": 0}, {"mode": "best"}], ids=str)
def test_impossible_arguments_are_refused(given):
    with pytest.raises(ValueError, match=r"give every and keep >= 1 and mode 'max' or 'min'."):
        Checkpoints(**{"folder": ".", "every": 1, "monitor": "a", "mode": "max", **given})


def test_bundle_is_the_best_and_in_the_end_the_last(tmp_path):
    seen = {}

    class Look(Callback):
        def on_train_batch_start(self, trainer, *_):
            if (tmp_path / "model.safetensors").exists():
                seen[trainer.global_step] = int(
                    load_file(tmp_path / "model.safetensors")["weight"][0]
                )

    run(tmp_path, Look(), score=lambda step: -abs(step - 4), steps=9)
    assert seen == {2: 2, 3: 2, **dict.fromkeys(range(4, 9), 4)}
    assert int(load_file(tmp_path / "model.safetensors")["weight"][0]) == 9


def moments(folder, monkeypatch, **given):
    """How often a run of 12 steps touches a file's name, and a run that is killed before the n-th time."""
    replace = os.replace
    count = 0

    def run_until(moment):
        nonlocal count
        count = 0

        def counted(source, target):
            nonlocal count
            count += 1
            if count == moment:
                raise Killed
            replace(source, target)

        monkeypatch.setattr(os, "replace", counted)
        try:
            run(folder, steps=12, **given)
        except Killed:
            pass
        finally:
            monkeypatch.setattr(os, "replace", replace)
        return count

    return run_until


def test_run_killed_between_any_two_files_goes_on_with_the_same_ranks(tmp_path, monkeypatch):
    total = moments(tmp_path / "whole", monkeypatch)(0)
    whole = files(tmp_path / "whole")
    assert whole == {"last": 12, **ranked(range(2, 13, 2), rising, 3)}
    for moment in range(1, total + 1):
        folder = tmp_path / str(moment)
        moments(folder, monkeypatch)(moment)
        for path in folder.rglob("*.partial"):
            path.unlink()
            path.write_bytes(b"half a checkpoint")
        run(folder, steps=12, resume=(folder / "checkpoints" / "last.ckpt").exists())
        assert files(folder) == whole, moment
        assert state(folder) == state(tmp_path / "whole")
        assert int(load_file(folder / "model.safetensors")["weight"][0]) == 12
        assert not list(folder.rglob("*.partial"))


def test_ranks_are_those_of_the_checkpoint_that_a_run_goes_on_from(tmp_path):
    run(tmp_path, steps=12)
    folder = tmp_path / "checkpoints"
    earlier = tmp_path / "earlier"
    run(earlier, steps=6)
    (earlier / "checkpoints" / "last.ckpt").replace(folder / "last.ckpt")
    callback = Checkpoints(folder=str(tmp_path), every=3, monitor="score", mode="max", keep=3)
    callback.load_state_dict(state(tmp_path))
    callback._restore_ranks()
    kept = {step for _, step in state(tmp_path)["kept"]}
    found = files(tmp_path)
    assert found.pop("last") == 6
    assert set(found.values()) <= kept
    assert len(found) == len(set(found.values()))


def test_a_new_checkpoint_never_overwrites_the_file_of_another(tmp_path, monkeypatch):
    moments(tmp_path, monkeypatch)(2)  # named best, and not yet last
    folder = tmp_path / "checkpoints"
    assert (folder / ".last.ckpt.partial").samefile(folder / "best.ckpt")
    content = (folder / "best.ckpt").read_bytes()
    checkpoints._Durable().save_checkpoint({}, folder / ".last.ckpt.partial")
    assert (folder / "best.ckpt").read_bytes() == content


def test_copies_serve_where_there_are_no_hard_links(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no links here")

    monkeypatch.setattr(checkpoints.os, "link", refuse)
    run(tmp_path, steps=12)
    assert files(tmp_path) == {"last": 12, **ranked(range(2, 13, 2), rising, 3)}
    assert not list(tmp_path.rglob("*.partial"))


def test_checkpoint_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    done = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(
        os, "fsync", lambda file: (done.append(("sync", os.fstat(file).st_ino)), sync(file))
    )
    monkeypatch.setattr(
        os,
        "replace",
        lambda source, target: (
            done.append(("name", os.stat(source).st_ino)),
            replace(source, target),
        ),
    )
    run(tmp_path, steps=4)
    for path in (tmp_path / "checkpoints").glob("*.ckpt"):
        inode = path.stat().st_ino
        assert done.index(("sync", inode)) < done.index(("name", inode))


def test_nothing_is_written_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    run(tmp_path, steps=4)
    before = (tmp_path / "temporary").stat().st_mtime_ns
    run(tmp_path, steps=8, resume=True)
    assert (tmp_path / "temporary").stat().st_mtime_ns == before


def stop_after(patience):
    return EarlyStopping(monitor="score", mode="max", patience=patience)


def test_early_stop_is_in_the_checkpoint_and_ends_the_run_as_its_last_step_does(tmp_path):
    module = run(tmp_path, stop_after(3), score=lambda step: -abs(step - 4), steps=100)
    assert module.scored == [2, 4, 6, 8, 10]
    last = load_checkpoint(tmp_path / "checkpoints" / "last.ckpt")
    assert last["global_step"] == 10
    (early,) = (
        value for name, value in last["callbacks"].items() if name.startswith("EarlyStopping")
    )
    assert early["wait_count"] == 3
    assert early["stopping_reason"]
    assert int(load_file(tmp_path / "model.safetensors")["weight"][0]) == 10


@pytest.mark.parametrize("killed_at", range(1, 11))
def test_early_stop_comes_at_the_same_step_after_a_resume(tmp_path, killed_at):
    class Kill(Callback):
        def on_train_batch_start(self, trainer, *_):
            if trainer.global_step == killed_at:
                raise Killed

    given = {"score": lambda step: -abs(step - 4), "steps": 100}
    try:
        run(tmp_path, stop_after(3), Kill(), **given)
    except Killed:
        started = (tmp_path / "checkpoints" / "last.ckpt").exists()
        run(tmp_path, stop_after(3), resume=started, **given)
    assert files(tmp_path) == {"last": 10, "best": 4, "best_2": 2, "best_3": 6}


@pytest.mark.slow
def test_fifty_kills_leave_a_run_that_goes_on(tmp_path):
    done = subprocess.run([sys.executable, __file__, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "killed 50 times" in done.stdout


def kill_again_and_again(folder):
    """Kill children that go on with a run of checkpoints back to back, and look at the files after each kill."""
    torch.set_num_threads(1)
    moments = random.Random()
    before = {"steps": 0, "kills": 0, "in_between": 0}
    while before["kills"] < 50:
        child = os.fork()
        if not child:
            started = (folder / "checkpoints" / "last.ckpt").exists()
            run(folder, steps=10**6, validate_every=1, every=1, resume=started)
            os._exit(1)
        wait_for_progress(folder / "checkpoints", child)
        time.sleep(moments.uniform(0, 0.1))
        os.kill(child, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        before["kills"] += 1
        look(folder, before)
    end = before["steps"] + 5
    run(folder, steps=end, validate_every=1, every=1, resume=True)
    assert files(folder) == {"last": end, **ranked(range(1, end + 1), rising, 3)}
    assert not list(folder.rglob("*.partial"))
    print(f"killed {before['kills']} times, {before['in_between']} within a write, in {end} steps")  # noqa: T201


def wait_for_progress(folder, child):
    """Wait until a child writes, so that a kill seldom comes while it only starts."""
    before = folder.exists() and folder.stat().st_mtime_ns
    while (folder.exists() and folder.stat().st_mtime_ns) == before:
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "the child ended by itself"
        time.sleep(0.001)


def look(folder, before):
    found = files(folder)
    before["in_between"] += bool(list(folder.rglob("*.partial")))
    if not before["steps"] and "last" not in found:
        return
    assert found["last"] >= before["steps"], "the last checkpoint went back or away"
    before["steps"] = found.pop("last")
    kept = [step for _, step in state(folder)["kept"]]
    assert kept == [*ranked(range(1, before["steps"] + 1), rising, 3).values()]
    assert set(kept) <= set(found.values()), "one of the best is lost"


if __name__ == "__main__":
    kill_again_and_again(Path(sys.argv[1]))


def test_kill_costs_no_best_checkpoint_even_if_only_one_is_kept(tmp_path, monkeypatch):
    """Gone on with, the run has the best of its last checkpoint, before it comes to another."""
    for moment in range(1, moments(tmp_path / "whole", monkeypatch, keep=1)(0) + 1):
        folder = tmp_path / str(moment)
        moments(folder, monkeypatch, keep=1)(moment)
        if not (folder / "checkpoints" / "last.ckpt").exists():
            continue
        last, kept = files(folder)["last"], [step for _, step in state(folder)["kept"]]
        run(folder, steps=last + 1, validate_every=0, keep=1, resume=True)
        assert [files(folder)["best"]] == kept if kept else "best" not in files(folder)
        assert not (folder / "checkpoints" / ".dropped.ckpt").exists()


def test_full_disk_ends_in_a_message_and_leaves_the_earlier_checkpoint(tmp_path, monkeypatch):
    run(tmp_path, steps=4)
    before = files(tmp_path)

    def full(content, file):
        file.write(b"half")
        raise RuntimeError("[enforce fail at inline_container.cc:1] . unexpected pos 64 vs 0")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(
        OSError, match=r"could not be written to .*checkpoints: .* If the disk is full, make room;"
    ):
        run(tmp_path, steps=8, resume=True)
    assert files(tmp_path) == before
