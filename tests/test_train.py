import csv
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from conftest import TINY, Outcome, run_command
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

PHASES = ["schedule.pretrain_steps=8", "schedule.ramp_steps=8", "trainer.max_steps=20"]


def rows(folder):
    with (folder / "metrics.csv").open() as file:
        return {int(row["step"]): row for row in csv.DictReader(file)}


def checkpoint(folder, name="last"):
    return torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)


def test_run_folder_holds_what_the_readme_says(trained):
    for name in (
        "config.yaml",
        "metrics.csv",
        "checkpoints/last.ckpt",
        "checkpoints/best.ckpt",
        "model.safetensors",
    ):
        assert (trained / name).stat().st_size > 0
    assert list((trained / "tensorboard").glob("events.*"))
    assert not list(trained.rglob("*.partial"))


def test_last_step_is_validated_and_bundle_is_its_average(trained):
    assert float(rows(trained)[6]["val/psnr"]) > 0
    from safetensors.torch import load_file

    state = checkpoint(trained)["state_dict"]
    for name, tensor in load_file(trained / "model.safetensors").items():
        source = (
            name.replace("generator.", "ema.average.", 1) if name.startswith("generator.") else name
        )
        assert torch.equal(tensor, state[source])


def test_best_checkpoint_has_the_best_score(trained):
    scores = {
        step: float(row["val/psnr"]) for step, row in rows(trained).items() if row["val/psnr"]
    }
    assert checkpoint(trained, "best")["global_step"] == max(scores, key=scores.get)


def test_tensorboard_has_scalars_and_pictures(trained):
    events = EventAccumulator(str(trained / "tensorboard"))
    events.Reload()
    assert {"val/psnr", "val/ssim", "val/psnr_bicubic"} <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("val/psnr")] == [4, 6]
    picture = events.Images("validation/0")[0]
    assert (picture.height, picture.width) == (
        200,
        4 * 200,
    )  # LR, bicubic, SR and HR of a view of 200 × 200


def test_steps_phases_and_rates_are_as_configured(command, tmp_path):
    given = [
        *(*TINY, *PHASES, "trainer.log_every_n_steps=1", "trainer.val_check_interval=1000"),
        *(
            "scheduler@scheduler.generator=multistep",
            "scheduler.generator.milestones=[5,18]",
            "hydra.run.dir=run",
        ),
        *(
            "optimiser.generator.lr=1e-3",
            "optimiser.discriminator.lr=2e-4",
            "adversarial.weight=0.5",
        ),
    ]
    assert command("train", *given) == Outcome(0, "")
    logged = rows(tmp_path / "run")
    assert sorted(logged) == list(range(1, 21))
    weights = {step: float(logged[step]["weight/adversarial"]) for step in (7, 8, 10, 12, 16, 20)}
    assert weights == pytest.approx({7: 0, 8: 0, 10: 0.125, 12: 0.25, 16: 0.5, 20: 0.5})
    rates = {step: float(logged[step]["lr/generator"]) for step in (4, 5, 17, 18, 20)}
    assert rates == pytest.approx({4: 1e-3, 5: 5e-4, 17: 5e-4, 18: 2.5e-4, 20: 2.5e-4})
    assert {float(row["lr/discriminator"]) for row in logged.values()} == {2e-4}
    assert not logged[8]["loss/discriminator"]
    assert logged[9]["loss/discriminator"]
    state = checkpoint(tmp_path / "run")
    assert state["global_step"] == 20
    updates = [
        {int(entry["step"]) for entry in optimiser["state"].values()}
        for optimiser in state["optimizer_states"]
    ]
    assert updates == [{20}, {12}]
    progress = state["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]
    assert progress["ready"] == progress["processed"] == 20


def test_validation_judges_the_discriminator_as_soon_as_it_has_learnt(command, tmp_path):
    given = [
        "trainer.max_steps=4",
        "trainer.val_check_interval=1",
        "schedule.pretrain_steps=3",
        "hydra.run.dir=run",
    ]
    assert command("train", *TINY, *given, "schedule.discriminator_warmup_steps=1") == Outcome(
        0, ""
    )
    for name in ("val/accuracy_real", "val/accuracy_fake"):
        shares = [row[name] for _, row in sorted(rows(tmp_path / "run").items())]
        assert shares[:2] == ["", ""]
        assert all(0 <= float(share) <= 1 for share in shares[2:])


@pytest.mark.parametrize(
    "given",
    [
        ["discriminator=none", "projection=true", "degradation=bicubic"],
        ["ema=null", "loader.accumulate=3", "loss=[l1,l2]"],
    ],
)
def test_variants_train(command, tmp_path, given):
    adversary = "discriminator=none" not in given
    tiny = [line for line in TINY if adversary or not line.startswith("discriminator")]
    steps = [
        "trainer.max_steps=3",
        "schedule.pretrain_steps=1",
        "schedule.ramp_steps=1",
        "trainer.log_every_n_steps=1",
    ]
    assert command("train", *tiny, *steps, *given, "hydra.run.dir=run") == Outcome(0, "")
    final = rows(tmp_path / "run")[3]
    assert all(np.isfinite(float(value)) for value in final.values() if value)


def test_weights_start_from_a_bundle(command, trained, tmp_path):
    given = [
        *TINY,
        "generator.skip=cubic",
        "optimiser.generator.lr=0",
        "trainer.max_steps=1",
        "ema=null",
    ]
    assert command(
        "train", *given, f"weights={trained}/model.safetensors", "hydra.run.dir=run"
    ) == Outcome(0, "")
    before = checkpoint(trained)["state_dict"]
    after = checkpoint(tmp_path / "run")["state_dict"]
    assert torch.equal(after["generator.tail.weight"], before["ema.average.tail.weight"])


class TestMistakes:
    @pytest.fixture
    def refused(self, command, tmp_path):
        def run(*given):
            outcome = command("train", "hydra.run.dir=run", *given)
            assert outcome.code == 1
            assert outcome.error.startswith("error: ")
            assert "\n" not in outcome.error
            assert not (tmp_path / "run" / "model.safetensors").exists()
            assert not list(tmp_path.rglob("*.ckpt"))
            return outcome.error

        return run

    def test_root_is_missing(self, refused):
        error = refused("data=rgb_folder", "data.root=nowhere (1)")
        assert "data.root=nowhere (1) does not exist; give a file, a folder or a glob of" in error

    def test_root_is_empty(self, refused, tmp_path):
        (tmp_path / "empty").mkdir()
        error = refused("data=rgb_folder", "data.root=empty")
        assert "data.root=empty holds no .png" in error
        assert "check the path, or name another one." in error

    def test_images_are_smaller_than_a_crop(self, refused, tmp_path):
        for number in range(2):
            Image.new("RGB", (40, 40)).save(tmp_path / f"{number}.png")
        error = refused("data=rgb_folder", "data.root=.", "data.crop_size=48")
        assert ".png" in error
        assert "data.crop_size" in error

    def test_band_does_not_exist(self, refused, tmp_path):
        Image.new("RGB", (128, 128)).save(tmp_path / "a.png")
        error = refused("data=rgb_folder", "data.root=a.png", "data.bands=[1,2,7]")
        assert "7" in error
        assert "a.png" in error

    def test_crop_is_no_multiple_of_the_scale(self, refused):
        assert "multiple of the scale" in refused("data.crop_size=50")

    def test_damaged_image_is_named(self, refused, tmp_path):
        noise = np.random.default_rng(0).integers(0, 255, (128, 128, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / "whole.png")
        content = (tmp_path / "whole.png").read_bytes()
        (tmp_path / "damaged.png").write_bytes(content[: len(content) // 2])
        assert "damaged.png" in refused(
            *TINY, "data=rgb_folder", "data.root=.", "loader.num_workers=1"
        )

    def test_weights_of_another_scale(self, refused, trained):
        error = refused(*TINY, "scale=2", f"weights={trained}/model.safetensors")
        assert "scale (4, 4)" in error
        assert "(2, 2)" in error

    def test_nothing_to_resume(self, refused):
        assert "nothing to resume" in refused("resume=last")
        assert "nothing to resume" in refused("resume=checkpoints/last.ckpt")

    def test_nothing_to_resume_under_this_name(self, command):
        outcome = command("train", "resume=last")
        assert outcome.code == 1
        assert "no unfinished run" in outcome.error


def test_a_run_is_never_overwritten(command, trained):
    before = (trained / "checkpoints" / "last.ckpt").read_bytes()
    outcome = command("train", *TINY, f"hydra.run.dir={trained}")
    assert outcome.code == 1
    assert "already holds a run" in outcome.error
    assert (trained / "checkpoints" / "last.ckpt").read_bytes() == before


def test_other_versions_warn_on_resume(command, trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    for name, before in (("config.yaml", "max_steps: 6"), (".hydra/overrides.yaml", "max_steps=6")):
        text = (run / name).read_text()
        assert before in text
        (run / name).write_text(text.replace(before, before.replace("6", "7")))
    state = checkpoint(run)
    state["srlab"] = state["srlab"].replace(torch.__version__, "1.13.1")
    state["conditions"]["torch"] = "1.13.1"
    torch.save(state, run / "checkpoints" / "last.ckpt")
    assert command("train", "resume=last", "hydra.run.dir=run") == Outcome(0, "")
    warning = (
        f"resuming with torch {torch.__version__}; the run began with 1.13.1, so results may differ"
    )
    assert warning in (run / "train.log").read_text()
    assert checkpoint(run)["global_step"] == 7


def test_finished_run_is_not_resumed(command, trained):
    outcome = command("train", "resume=last", f"hydra.run.dir={trained}")
    assert outcome.code == 1
    assert "is finished" in outcome.error
    assert "and another hydra.run.dir" in outcome.error


def test_run_that_was_killed_before_it_wrote_its_status_ends_when_resumed(
    command, trained, tmp_path
):
    shutil.copytree(trained, tmp_path / "run")
    (tmp_path / "run" / "status.json").unlink()
    before = checkpoint(tmp_path / "run")["state_dict"]
    assert command("train", "resume=last", "hydra.run.dir=run") == Outcome(0, "")
    assert (tmp_path / "run" / "status.json").read_text() == (trained / "status.json").read_text()
    assert rows(tmp_path / "run") == rows(trained)
    assert all(
        torch.equal(tensor, before[name])
        for name, tensor in checkpoint(tmp_path / "run")["state_dict"].items()
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.yaml", "a: [", "config.yaml cannot be read"),
        (".hydra/overrides.yaml", "{", "overrides.yaml cannot be read"),
        (
            "status.json",
            "nonsense",
            "status.json is not a status that srlab wrote; delete",
        ),
        (
            "status.json",
            '{"a": 1}',
            "status.json is not a status that srlab wrote; delete",
        ),
    ],
)
def test_spoilt_files_of_a_run_are_named(command, trained, tmp_path, name, content, message):
    shutil.copytree(trained, tmp_path / "run")
    (tmp_path / "run" / "status.json").unlink()
    (tmp_path / "run" / name).write_text(content)
    outcome = command("train", "resume=last", "hydra.run.dir=run")
    assert outcome.code == 1
    assert message in outcome.error
    assert "\n" not in outcome.error


def test_interrupted_run_says_how_to_go_on(tmp_path):
    given = [
        *TINY,
        "trainer.max_steps=100000",
        "callbacks.checkpoints.every=3",
        "hydra.run.dir=run",
    ]
    command = [sys.executable, "-m", "srlab.train", *given]
    # a shell's background jobs ignore SIGINT, and so would their children
    handled = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, cwd=tmp_path, **pipes, **handled)
    while process.poll() is None and not (tmp_path / "run" / "checkpoints" / "last.ckpt").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=240)
    assert process.returncode == 130
    assert f"resume=last hydra.run.dir={tmp_path / 'run'}" in output
    assert errors.endswith("interrupted\n")
    assert "Traceback" not in errors


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory):
    """A folder in which a run of the default name did not come to its end."""
    folder = tmp_path_factory.mktemp("unfinished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run_command("train", [*TINY, "trainer.max_steps=1"]) == Outcome(0, "")
    (run,) = (folder / "outputs" / "srresnet_demo").iterdir()
    (run / "status.json").unlink()
    for name in ("config.yaml", ".hydra/overrides.yaml"):
        text = (run / name).read_text()
        (run / name).write_text(re.sub(r"max_steps(: |=)1$", r"max_steps\g<1>9", text, flags=re.M))
    return folder


class TestResuming:
    def test_a_different_command_line_is_refused(self, unfinished, monkeypatch):
        from srlab.cli.resume import resumed

        monkeypatch.chdir(unfinished)
        with pytest.raises(ValueError, match=r"seed is 0 in the run and 5 on the command line"):
            resumed(["resume=last", "seed=5"])

    def test_workers_may_differ(self, unfinished, monkeypatch):
        from srlab.cli.resume import resumed

        monkeypatch.chdir(unfinished)
        arguments = resumed(["resume=last", "loader.num_workers=3"])
        assert [each for each in arguments if "num_workers" in each] == ["loader.num_workers=3"]

    def test_last_is_the_newest_unfinished_run_of_the_name(self, unfinished, monkeypatch):
        from srlab.cli.resume import resumed

        monkeypatch.chdir(unfinished)
        (run,) = (unfinished / "outputs" / "srresnet_demo").iterdir()
        arguments = resumed(["resume=last", "generator.channels=8"])
        assert f"hydra.run.dir='outputs/srresnet_demo/{run.name}'" in arguments
        assert set(TINY) < set(arguments)
        with pytest.raises(FileNotFoundError, match="outputs/rrdb_demo has no unfinished run"):
            resumed(["resume=last", "generator=rrdb"])

    def test_sweeps_are_not_resumed(self):
        from srlab.cli.resume import resumed

        with pytest.raises(ValueError, match="cannot be combined with -m"):
            resumed(["-m", "resume=last"])
