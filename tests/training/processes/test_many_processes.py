"""Runs of one process, of several, and with several micro-batches, and what they have in common."""

import io
import json
import math

import numpy as np
import pytest
import torch
from conftest import TINY, Outcome
from PIL import Image
from small_runs import (
    DATA,
    DISCRIMINATOR,
    GENERATOR,
    ONE,
    SHORT,
    SMALL,
    TWO,
    WITNESS,
    checkpoint,
    rows,
    train,
    train_apart,
)
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

GAME = [*SMALL, "trainer.max_steps=10"]


def seen(folder):
    """The pictures and histograms in TensorBoard, by name and step, each once."""
    size = {"images": 0, "histograms": 0}
    events = EventAccumulator(str(folder / "tensorboard"), size_guidance=size).Reload()
    pictures, histograms = {}, {}
    for name in events.Tags()["images"]:
        for event in events.Images(name):
            assert (name, event.step) not in pictures
            picture = Image.open(io.BytesIO(event.encoded_image_string))
            pictures[name, event.step] = np.array(picture).astype(int)
    for name in events.Tags()["histograms"]:
        for event in events.Histograms(name):
            assert (name, event.step) not in histograms
            histograms[name, event.step] = np.array(event.histogram_value.bucket)
    return pictures, histograms


def state(folder):
    """What a run has learnt."""
    tensors = checkpoint(folder)["state_dict"]
    return {name: tensors[name] for name in tensors if not name.startswith("latest")}


def assert_close(one, other, *, atol):
    torch.testing.assert_close(state(one), state(other), rtol=0, atol=atol)


def witnessed(folder, rank=0):
    return json.loads((folder / f"witness_{rank}.json").read_text())


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """The folder of a run by one process; parts of the images are hidden."""
    return train(tmp_path_factory.mktemp("runs") / "one", *GAME, *ONE)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The folder of the same run by two processes with half the batch each, and what they said."""
    folder = tmp_path_factory.mktemp("runs") / "two"
    return folder, train_apart(folder, *GAME, *TWO, *WITNESS)


@pytest.fixture(scope="module")
def two(told):
    return told[0]


class TestTwoProcesses:
    def test_equal_one_with_twice_the_batch(self, one, two):
        assert_close(one, two, atol=1e-5)

    def test_log_the_means_over_both(self, one, two):
        expected, found = rows(one), rows(two)
        assert expected.keys() == found.keys()
        for step, row in expected.items():
            assert row == pytest.approx(found[step], rel=1e-3, abs=1e-5), step

    def test_show_what_one_process_shows(self, one, two):
        (pictures, histograms), (theirs, their_histograms) = seen(one), seen(two)
        names = [f"validation/{view}" for view in range(3)]
        assert list(theirs) == [(name, step) for name in names for step in (4, 8, 10)]
        assert theirs.keys() == pictures.keys()
        for name, picture in pictures.items():
            np.testing.assert_allclose(picture, theirs[name], rtol=0, atol=1, err_msg=str(name))
        assert their_histograms.keys() == histograms.keys()
        for name, counts in histograms.items():
            assert counts.sum() == their_histograms[name].sum(), name
            moved = np.abs(counts.cumsum() - their_histograms[name].cumsum()).max()
            if name[0].endswith("/hr"):
                assert moved == 0, name
            else:  # what differs by rounding may lie on the other side of an edge
                assert moved <= 0.01 * counts.sum() + 1, name

    def test_hold_equal_weights_after_each_step(self, two):
        first, second = witnessed(two, rank=0)["seen"], witnessed(two, rank=1)["seen"]
        assert len(set(first)) == 10
        assert first == second

    def test_write_each_file_once(self, told):
        folder, said = told
        assert len([*folder.rglob("events.*")]) == 1
        assert said.count("training RRDB") == said.count("done:") == 1
        assert "sync_dist" not in said
        assert (folder / "train.log").read_text().count("training RRDB") == 1
        assert not any(path.stat().st_size for path in folder.glob("train_ddp*.log"))

    def test_average_gradients_once_an_update(self, two):
        assert witnessed(two)["sent"] == 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "atol"),
    [
        (["adversarial=relativistic", "trainer.precision=64-true"], 1e-10),
        (["adversarial=hinge", "penalty=r1", "penalty.interval=3", "data.holes=false"], 1e-5),
        (None, 1e-5),
    ],
    ids=["relativistic", "hinge and r1", "no game"],
)
def test_every_game_of_two_processes_equals_one(tmp_path, given, atol):
    networks = [*GENERATOR, "discriminator=none"]
    if given:
        networks = [*GENERATOR, *DISCRIMINATOR, *given]
    given = [*DATA, *SHORT, *networks, "trainer.max_steps=10"]
    train(tmp_path / "one", *given, *ONE)
    train_apart(tmp_path / "two", *given, *TWO)
    assert_close(tmp_path / "one", tmp_path / "two", atol=atol)


@pytest.mark.slow
def test_accumulation_exchanges_no_more_and_equals_the_batch(tmp_path, two):
    """With micro-batches in which nothing is visible, too."""
    sizes = ["loader.batch_size=1", "loader.accumulate=4"]
    train_apart(tmp_path / "parts", *GAME, *TWO, *WITNESS, *sizes)
    assert_close(two, tmp_path / "parts", atol=1e-6)
    assert witnessed(tmp_path / "parts")["sent"] == 10


@pytest.mark.slow
@pytest.mark.parametrize("views", [1, 3], ids=["fewer views than processes", "a rest"])
def test_validation_is_shared_and_equals_that_of_one_process(tmp_path, views):
    given = [*SMALL, "trainer.max_steps=1", "optimiser.generator.lr=0", "ema=null"]
    one, two = tmp_path / "one", tmp_path / "two"
    train(one, *given, *ONE, f"data.views={views}")
    train_apart(two, *given, *TWO, f"data.views={views}")
    scores, theirs = rows(one)[1], rows(two)[1]
    for name in scores:
        assert not name.startswith("val/") or scores[name] == theirs[name], name
    for ours, others in zip(seen(one), seen(two), strict=True):
        assert ours.keys() == others.keys()
        for name in ours:
            if name[0].startswith(("validation/", "values/")):
                np.testing.assert_array_equal(ours[name], others[name], err_msg=str(name))


@pytest.mark.slow
def test_batch_norm_statistics_are_the_means_over_both(tmp_path):
    networks = [line for line in TINY if line.startswith(("generator", "discriminator"))]
    given = ["data.crop_size=32", "trainer.max_steps=5"]
    train_apart(tmp_path / "two", *DATA, *SHORT, *networks, *given, *TWO, *WITNESS)
    first, second = (witnessed(tmp_path / "two", rank) for rank in (0, 1))
    assert first["seen"] == second["seen"]


@pytest.mark.slow
def test_torchrun_equals_one_process_with_twice_the_batch(tmp_path, one):
    by = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    said = train_apart(tmp_path / "two", *GAME, *TWO, by=by)
    assert_close(one, tmp_path / "two", atol=1e-5)
    assert len([*(tmp_path / "two").rglob("events.*")]) == 1
    assert said.count("training RRDB") == 1


def test_micro_batches_equal_the_batch(tmp_path, one):
    """Whatever the cadence of validation, and with pixels hidden."""
    given = ["loader.batch_size=2", "loader.accumulate=4", "trainer.val_check_interval=3"]
    assert_close(one, train(tmp_path / "parts", *GAME, *given), atol=1e-6)


@pytest.mark.slow
def test_micro_batches_equal_the_batch_in_another_game(tmp_path):
    given = [*GAME, "adversarial=hinge"]
    train(tmp_path / "whole", *given, *ONE)
    train(tmp_path / "parts", *given, "loader.batch_size=4", "loader.accumulate=2")
    assert_close(tmp_path / "whole", tmp_path / "parts", atol=1e-6)


def test_paused_discriminator_stays_as_it_is(tmp_path):
    steps = ["trainer.max_steps=12", "schedule.pretrain_steps=0"]
    given = [*SMALL, *ONE, *steps, "optimiser.discriminator.lr=0.01"]

    def run(name, pause_above):
        folder = train(tmp_path / name, *given, f"schedule.pause_above={pause_above}")
        logged = rows(folder).values()
        gaps = [row["discriminator/real"] - row["discriminator/fake"] for row in logged]
        paused = [row.get("discriminator/paused") for row in logged]
        _, discriminator = checkpoint(folder)["optimizer_states"]
        return gaps, paused, {int(entry["step"]) for entry in discriminator["state"].values()}

    gaps, paused, updates = run("never", "null")
    assert (paused, updates) == ([None] * 12, {12})
    between = (max(min(gaps), 0) + max(gaps)) / 2
    gaps, paused, updates = run("often", between)
    assert paused == [float(gap > between) for gap in gaps]
    assert 0 < sum(paused) < 12
    assert updates == {12 - sum(paused)}


def test_bfloat16_trains_and_keeps_float32_weights(tmp_path):
    steps = ["trainer.max_steps=3", "schedule.pretrain_steps=0"]
    folder = train(tmp_path / "run", *SMALL, *ONE, *steps, "trainer.precision=bf16-mixed")
    for row in rows(folder).values():
        assert all(map(math.isfinite, row.values()))
    floats = [tensor for tensor in state(folder).values() if tensor.is_floating_point()]
    assert {tensor.dtype for tensor in floats} == {torch.float32}


def test_float16_moves_its_scale_once_an_update_and_sees_gradients_without_it(tmp_path, one):
    """With the precision's parts put together by hand, since Lightning offers it on GPUs alone."""
    scaler = "{_target_: torch.amp.GradScaler, device: cpu, init_scale: 1024.0, growth_interval: 3}"
    plugin = (
        "{_target_: lightning.pytorch.plugins.MixedPrecision, precision: 16-mixed, device: cpu, "
        f"scaler: {scaler}}}"
    )
    precision = ["trainer.precision=null", f"+trainer.plugins=[{plugin}]"]
    folder = train(tmp_path / "half", *SMALL, *ONE, *precision, "trainer.max_steps=6")
    whole, half = rows(one), rows(folder)
    for step in range(1, 7):
        for name in ("gradient/generator", "gradient/discriminator"):
            expected, found = whole[step].get(name, 0), half[step].get(name, 0)
            assert found == pytest.approx(expected, rel=0.1), (step, name)
    content = checkpoint(folder)
    assert content["MixedPrecision"]["scale"] == 4 * 1024
    assert content["state_dict"]["guard.skipped"] == 0


def test_batch_norm_over_processes_is_refused_on_a_cpu(command):
    given = [*SMALL, *ONE, "trainer=ddp", "trainer.devices=1", "trainer.sync_batchnorm=true"]
    assert command("train", *given, "hydra.run.dir=run") == Outcome(
        1, "error: trainer.sync_batchnorm=true works on GPUs alone; leave it out on a CPU."
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU whose host could wait")
def test_no_step_waits_for_the_device(monkeypatch, tmp_path):
    from srlab.training.module import GAN

    step = GAN.training_step

    def watched(self, *given):
        torch.cuda.set_sync_debug_mode("error" if self.global_step > 1 else "default")
        try:
            return step(self, *given)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(GAN, "training_step", watched)
    given = [*SMALL, *ONE, "trainer.max_steps=7"]
    given += ["trainer.accelerator=gpu", "trainer.log_every_n_steps=100"]
    for precision in ("32-true", "16-mixed"):
        train(tmp_path / precision, *given, f"trainer.precision={precision}")


def test_third_partys_run_is_resumed_without_naming_the_folder_of_its_yaml_again(tmp_path):
    folder = train(tmp_path / "run", *SMALL, *ONE, "trainer.max_steps=2")
    (folder / "status.json").unlink()
    train(folder, "resume=last")
    assert (folder / "status.json").is_file()
