import csv
import io
import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import TINY, Outcome
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

THEIRS = '''
import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from lightning import Callback

from srlab.data.pairs import FixedViews, Pairing, RandomCrops
from srlab.data.regions import Region
from srlab.io.array.memory import ArrayReader


class Holes:
    """Noise with holes, more of them in some crops than in others: nearly half of the crops see nothing else."""

    unit, data_range, pixel_size, bands, channels = "signal", 1.0, None, (1, 2), ("1", "2")

    def __init__(self, *, bands, scale, degradation, crop_size, seed, holes=True, views=3):
        array = np.random.default_rng(0).random((2, 64, 64), dtype=np.float32).cumsum(1) / 64
        self.validation = self.test = FixedViews(
            [Region.whole(ArrayReader(array[:, : 20 + 8 * view])) for view in range(views)],
            Pairing(degradation, (scale, scale), seed),
        )
        array = array.copy()
        if holes:
            array[:, np.random.default_rng(1).random((64, 64)) < np.linspace(0, 2.5, 64)] = np.nan
        region = Region.whole(ArrayReader(array))
        pairing = Pairing(degradation, (scale, scale), seed)
        self.training = RandomCrops([region], pairing, crop_size=crop_size, augment=True)


class Witness(Callback):
    """Notes the weights of each rank after each step, and how often more than one number is averaged over ranks."""

    def __init__(self, *, folder):
        self.folder, self.seen = Path(folder), []

    def on_train_start(self, trainer, module):
        self.profile = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True)
        self.profile.start()

    def on_train_batch_end(self, trainer, module, *_):
        tensors = (tensor for network in module.networks.values() for tensor in network.state_dict().values())
        self.seen.append(hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in tensors)).hexdigest())

    def on_train_end(self, trainer, module):
        self.profile.stop()
        events = [event for event in self.profile.events() if event.name == "gloo:all_reduce"]
        sent = sum(torch.Size(event.input_shapes[0]).numel() > 1 for event in events)
        text = json.dumps({"seen": self.seen, "sent": sent})
        (self.folder / f"witness_{trainer.global_rank}.json").write_text(text)
'''

HOLES = """
_target_: third_party_holes.Holes
bands: [1, 2]
scale: ${scale}
degradation: ${degradation}
crop_size: 16
seed: ${seed}
"""

SMALL = [
    *(
        "generator=rrdb",
        "generator.channels=8",
        "generator.blocks=1",
        "generator.growth_channels=4",
        "scale=2",
    ),
    *("discriminator=patchgan", "discriminator.channels=4", "discriminator.layers=1"),
    *(
        "discriminator.normalisation=none",
        "loader.num_workers=0",
        "trainer.accelerator=cpu",
        "adversarial.weight=0.1",
    ),
    *("trainer.val_check_interval=8", "trainer.log_every_n_steps=1", "optimiser.generator.lr=1e-3"),
    *("schedule.pretrain_steps=3", "schedule.ramp_steps=4", "normaliser=identity", "ema.decay=0.5"),
]
"""A game without batch norm, whose statistics are each process's own."""

WITNESS = [
    "+callbacks.witness._target_=third_party_holes.Witness",
    "+callbacks.witness.folder=${hydra:runtime.output_dir}",
]
TWO = ["trainer=ddp", "trainer.devices=2", "loader.batch_size=4"]
ONE = ["loader.batch_size=8"]


def third_party(folder):
    (folder / "third_party_holes.py").write_text(THEIRS)
    (folder / "conf" / "data").mkdir(parents=True)
    (folder / "conf" / "data" / "holes.yaml").write_text(HOLES)
    return [f"hydra.searchpath=[file://{folder}/conf]", "data=holes"]


def run(folder, name, *given, by=()):
    """Run a command in a process of its own; what it said."""
    command = [sys.executable, *by, "-m", "srlab.train", *given, f"hydra.run.dir={name}"]
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def state(folder):
    content = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    return {
        name: tensor
        for name, tensor in content["state_dict"].items()
        if not name.startswith("latest")
    }


def rows(folder):
    with (folder / "metrics.csv").open() as file:
        return {
            int(row["step"]): {k: float(v) for k, v in row.items() if v}
            for row in csv.DictReader(file)
        }


def seen(folder):
    """The pictures and histograms in TensorBoard, by name and step."""
    events = EventAccumulator(
        str(folder / "tensorboard"), size_guidance={"images": 0, "histograms": 0}
    )
    events.Reload()
    tags = events.Tags()
    images = [(name, event) for name in tags["images"] for event in events.Images(name)]
    pictures = {
        (name, event.step): np.array(Image.open(io.BytesIO(event.encoded_image_string))).astype(int)
        for name, event in images
    }
    counts = [(name, event) for name in tags["histograms"] for event in events.Histograms(name)]
    histograms = {
        (name, event.step): np.array(event.histogram_value.bucket) for name, event in counts
    }
    assert (len(pictures), len(histograms)) == (len(images), len(counts))  # each once
    return pictures, histograms


def assert_close(one, other, *, atol):
    one, other = state(one), state(other)
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(
            one[name], other[name], rtol=0, atol=atol, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """The folder of a run by one process, and by two with half the batch; parts of the images are hidden."""
    folder = tmp_path_factory.mktemp("pair")
    given = [*third_party(folder), *SMALL, *WITNESS, "trainer.max_steps=20"]
    return folder, {
        name: run(folder, name, *given, *how) for name, how in (("one", ONE), ("two", TWO))
    }


class TestTwoProcesses:
    def test_equal_one_with_twice_the_batch(self, pair):
        folder, _ = pair
        assert_close(folder / "one", folder / "two", atol=1e-5)

    def test_log_the_means_over_both(self, pair):
        one, two = (rows(pair[0] / name) for name in ("one", "two"))
        assert one.keys() == two.keys()
        for step, row in one.items():
            assert row == pytest.approx(two[step], rel=1e-3, abs=1e-5), step

    def test_show_what_one_process_shows(self, pair):
        (pictures, histograms), (theirs, their_histograms) = (
            seen(pair[0] / name) for name in ("one", "two")
        )
        assert list(theirs) == [
            (f"validation/{view}", step) for view in range(3) for step in (8, 16, 20)
        ]
        assert theirs.keys() == pictures.keys()
        for name, picture in pictures.items():
            np.testing.assert_allclose(picture, theirs[name], rtol=0, atol=1, err_msg=str(name))
        assert their_histograms.keys() == histograms.keys()
        for name, counts in histograms.items():
            # what differs by rounding may lie on the other side of an edge
            assert counts.sum() == their_histograms[name].sum(), name
            moved = np.abs(counts.cumsum() - their_histograms[name].cumsum()).max()
            assert moved <= (0 if name[0].endswith("/hr") else 0.01 * counts.sum() + 1), name

    def test_hold_equal_weights_after_each_step(self, pair):
        first, second = (
            json.loads((pair[0] / "two" / f"witness_{rank}.json").read_text())["seen"]
            for rank in (0, 1)
        )
        assert len(set(first)) == 20
        assert first == second

    def test_write_each_file_once(self, pair):
        folder, said = pair
        written = sorted(path.name for path in (folder / "two").rglob("events.*"))
        assert len(written) == 1
        assert said["two"].count("training RRDB") == said["two"].count("done:") == 1
        assert "sync_dist" not in said["two"]
        assert (folder / "two" / "train.log").read_text().count("training RRDB") == 1
        assert not any(path.stat().st_size for path in (folder / "two").glob("train_ddp*.log"))

    def test_average_gradients_once_an_update(self, pair):
        assert json.loads((pair[0] / "two" / "witness_0.json").read_text())["sent"] == 20


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "atol"),
    [
        (["adversarial=hinge"], 1e-5),
        (["adversarial=relativistic", "trainer.precision=64-true"], 1e-10),
        (["adversarial=hinge", "penalty=r1", "penalty.interval=3", "data.holes=false"], 1e-5),
        (["discriminator=none"], 1e-5),
    ],
    ids=str,
)
def test_every_game_of_two_processes_equals_one(tmp_path, given, atol):
    small = [
        line
        for line in SMALL
        if given != ["discriminator=none"] or not line.startswith("discriminator")
    ]
    given = [
        *third_party(tmp_path),
        *small,
        *["+" + line if "holes=" in line else line for line in given],
    ]
    for name, how in (("one", ONE), ("two", TWO)):
        run(tmp_path, name, *given, *how, "trainer.max_steps=20")
    assert_close(tmp_path / "one", tmp_path / "two", atol=atol)


@pytest.mark.slow
@pytest.mark.parametrize("adversarial", ["bce", "hinge"])
def test_accumulation_exchanges_no_more_and_equals_the_batch(tmp_path, adversarial):
    """With micro-batches in which nothing is visible, too."""
    given = [
        *third_party(tmp_path),
        *SMALL,
        *TWO,
        "trainer.max_steps=10",
        f"adversarial={adversarial}",
    ]
    run(tmp_path, "whole", *given)
    for number in (2, 4):
        sizes = [f"loader.batch_size={4 // number}", f"loader.accumulate={number}"]
        run(tmp_path, f"parts_{number}", *given, *WITNESS, *sizes)
        assert_close(tmp_path / "whole", tmp_path / f"parts_{number}", atol=1e-6)
        assert (
            json.loads((tmp_path / f"parts_{number}" / "witness_0.json").read_text())["sent"] == 10
        )


@pytest.mark.slow
def test_validation_is_shared_and_equals_that_of_one_process(tmp_path):
    """Its means and all it shows, with more processes than views, and with as many views as leave a rest."""
    given = [*third_party(tmp_path), *SMALL, "trainer.max_steps=1", "optimiser.generator.lr=0"]
    for views in (1, 3):
        names = f"one_{views}", f"two_{views}"
        for name, how in zip(names, (ONE, TWO), strict=True):
            run(tmp_path, name, *given, *how, f"+data.views={views}", "ema=null")
        one, two = (rows(tmp_path / name)[1] for name in names)
        scores = [name for name in one if name.startswith("val/")]
        assert {name: one[name] for name in scores} == {name: two[name] for name in scores}
        for ours, theirs in zip(*(seen(tmp_path / name) for name in names), strict=True):
            assert ours.keys() == theirs.keys()
            for name in ours:
                if name[0].startswith(("validation/", "values/")):
                    np.testing.assert_array_equal(ours[name], theirs[name], err_msg=str(name))


@pytest.mark.slow
def test_batch_norm_statistics_are_the_means_over_both(tmp_path):
    small = [line for line in SMALL if not line.startswith(("generator", "discriminator", "scale"))]
    networks = [line for line in TINY if line.startswith(("generator", "discriminator"))]
    given = [
        *third_party(tmp_path),
        *small,
        *networks,
        "data.crop_size=32",
        "trainer.max_steps=5",
        *WITNESS,
    ]
    run(tmp_path, "two", *given, *TWO)
    first, second = (
        json.loads((tmp_path / "two" / f"witness_{rank}.json").read_text())["seen"]
        for rank in (0, 1)
    )
    assert first == second


@pytest.mark.slow
def test_torchrun_equals_one_process_with_twice_the_batch(tmp_path):
    given = [*third_party(tmp_path), *SMALL, "trainer.max_steps=20"]
    run(tmp_path, "one", *given, *ONE)
    said = run(
        tmp_path,
        "two",
        *given,
        *TWO,
        by=["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"],
    )
    assert_close(tmp_path / "one", tmp_path / "two", atol=1e-5)
    assert len([*(tmp_path / "two").rglob("events.*")]) == 1
    assert said.count("training RRDB") == 1


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    return third_party(tmp_path)


@pytest.mark.parametrize("adversarial", ["bce", pytest.param("hinge", marks=pytest.mark.slow)])
def test_micro_batches_equal_the_batch(command, tmp_path, theirs, adversarial):
    """Whatever the cadence of validation, of which 8 does not divide by 3, and with pixels hidden."""
    given = [*theirs, *SMALL, f"adversarial={adversarial}", "trainer.max_steps=10"]
    for number in (1, 2, 4):
        sizes = [f"loader.batch_size={8 // number}", f"loader.accumulate={number}"]
        cadence = f"trainer.val_check_interval={3 if number == 4 else 8}"
        assert command("train", *given, *sizes, cadence, f"hydra.run.dir={number}") == Outcome(
            0, ""
        )
    for number in (2, 4):
        assert_close(tmp_path / "1", tmp_path / f"{number}", atol=1e-6)


def test_paused_discriminator_stays_as_it_is(command, tmp_path, theirs):
    given = [
        *theirs,
        *SMALL,
        *ONE,
        "trainer.max_steps=12",
        "schedule.pretrain_steps=0",
        "optimiser.discriminator.lr=0.01",
    ]

    def run(name, pause_above):
        assert command(
            "train", *given, f"schedule.pause_above={pause_above}", f"hydra.run.dir={name}"
        ) == Outcome(0, "")
        content = torch.load(tmp_path / name / "checkpoints" / "last.ckpt", weights_only=True)
        logged = rows(tmp_path / name).values()
        gaps = [row["discriminator/real"] - row["discriminator/fake"] for row in logged]
        paused = [row.get("discriminator/paused") for row in logged]
        return (
            gaps,
            paused,
            {int(entry["step"]) for entry in content["optimizer_states"][1]["state"].values()},
        )

    gaps, paused, updates = run("never", "null")
    assert (paused, updates) == ([None] * 12, {12})
    between = (max(min(gaps), 0) + max(gaps)) / 2
    gaps, paused, updates = run("often", between)
    assert paused == [float(gap > between) for gap in gaps]
    assert 0 < sum(paused) < 12
    assert updates == {12 - sum(paused)}


def test_bfloat16_trains_and_keeps_float32_weights(command, tmp_path, theirs):
    given = [
        *theirs,
        *SMALL,
        *ONE,
        "trainer.max_steps=3",
        "schedule.pretrain_steps=0",
        "trainer.precision=bf16-mixed",
    ]
    assert command("train", *given, "hydra.run.dir=run") == Outcome(0, "")
    assert all(
        math.isfinite(value) for row in rows(tmp_path / "run").values() for value in row.values()
    )
    assert {
        tensor.dtype for tensor in state(tmp_path / "run").values() if tensor.is_floating_point()
    } == {torch.float32}


def test_float16_moves_its_scale_once_an_update_and_sees_gradients_without_it(
    command, tmp_path, theirs
):
    """With the precision's parts put together by hand, since Lightning offers it on GPUs alone."""
    scaler = "{_target_: torch.amp.GradScaler, device: cpu, init_scale: 1024.0, growth_interval: 3}"
    plugin = f"{{_target_: lightning.pytorch.plugins.MixedPrecision, precision: 16-mixed, device: cpu, scaler: {scaler}}}"
    given = [*theirs, *SMALL, *ONE, "trainer.max_steps=6", "schedule.pretrain_steps=2"]
    for name, how in (
        ("whole", []),
        ("half", ["trainer.precision=null", f"+trainer.plugins=[{plugin}]"]),
    ):
        assert command("train", *given, *how, f"hydra.run.dir={name}") == Outcome(0, "")
    whole, half = (rows(tmp_path / name) for name in ("whole", "half"))
    for step, row in whole.items():
        for name in ("gradient/generator", "gradient/discriminator"):
            assert (name in half[step]) == (name in row)
            assert half[step].get(name, 0) == pytest.approx(row.get(name, 0), rel=0.1), (step, name)
    content = torch.load(tmp_path / "half" / "checkpoints" / "last.ckpt", weights_only=True)
    assert content["MixedPrecision"]["scale"] == 4 * 1024
    assert content["state_dict"]["guard.skipped"] == 0


@pytest.mark.parametrize(
    "processes", [[], ["trainer=ddp", "trainer.devices=1"]], ids=["alone", "ddp"]
)
def test_batch_norm_over_processes_is_refused_on_a_cpu(command, theirs, processes):
    given = [
        *theirs,
        *(line for line in SMALL if not line.startswith("discriminator.normal")),
        *ONE,
    ]
    outcome = command(
        "train", *given, *processes, "trainer.sync_batchnorm=true", "hydra.run.dir=run"
    )
    assert outcome == Outcome(
        1, "error: trainer.sync_batchnorm=true works on GPUs alone; leave it out on a CPU."
    )


def test_strategies_that_shard_are_refused():
    from lightning.pytorch.strategies import DeepSpeedStrategy, FSDPStrategy

    from srlab.training.processes.ranks import check_strategy

    for kind in (FSDPStrategy, DeepSpeedStrategy):
        strategy = kind.__new__(kind)  # neither can be made without a GPU, or its package
        with pytest.raises(
            ValueError, match=f"trainer.strategy is {kind.__name__}, which .*; choose trainer=ddp"
        ):
            check_strategy(strategy)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU whose host could wait")
def test_no_step_waits_for_the_device(monkeypatch, command, theirs):
    from srlab.training.module import GAN

    step = GAN.training_step

    def watched(self, *given):
        torch.cuda.set_sync_debug_mode("error" if self.global_step > 1 else "default")
        try:
            return step(self, *given)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(GAN, "training_step", watched)
    given = [line for line in SMALL if "accelerator" not in line and "log_every" not in line]
    for precision in ("32-true", "16-mixed"):
        more = [
            "trainer.log_every_n_steps=100",
            f"trainer.precision={precision}",
            f"hydra.run.dir={precision}",
        ]
        assert command("train", *theirs, *given, *ONE, *more, "trainer.max_steps=7") == Outcome(
            0, ""
        )


def test_run_of_a_third_partys_configuration_is_resumed_without_naming_its_folder_again(
    command, tmp_path, theirs
):
    given = [*theirs, *SMALL, *ONE, "trainer.max_steps=2", "hydra.run.dir=run"]
    assert command("train", *given) == Outcome(0, "")
    (tmp_path / "run" / "status.json").unlink()
    assert command("train", "resume=last", "hydra.run.dir=run") == Outcome(0, "")
    assert (tmp_path / "run" / "status.json").is_file()
