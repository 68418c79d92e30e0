"""A stranger's package adds parts of every kind, each in one file and one YAML or entry point."""

import os
import subprocess
import sys
from textwrap import dedent

import numpy as np
import pytest
from conftest import Outcome, run_command

import srlab

FILES = {
    "generator.py": """
        from torch import nn

        class Doubler(nn.Module):
            def __init__(self, *, in_channels: int, scale: list[int], gain: float = 1.0):
                super().__init__()
                self.in_channels, self.scale = in_channels, tuple(scale)
                self.upsample = nn.Upsample(scale_factor=self.scale[0])
                self.conv = nn.Conv2d(in_channels, in_channels, 3, padding=1)
                self.gain = gain

            def forward(self, lr):
                return self.upsample(lr) + self.gain * self.conv(self.upsample(lr))
        """,
    "loss.py": """
        from torch import nn

        class Cubed(nn.Module):
            def forward(self, sr, hr, context):
                return (sr - hr).abs() ** 3
        """,
    "data.py": """
        import numpy as np
        from srlab.data.places.cropping import Cropping
        from srlab.data.places.crops import RandomCrops
        from srlab.data.places.fixed_views import FixedViews
        from srlab.data.pairing.pairs import Pairing
        from srlab.data.places.regions import Region
        from srlab.io import Axis
        from srlab.io.array import ArrayReader

        class Waves:
            unit, data_range, axes = "metre", 2.0, (Axis("y"), Axis("x"))
            channel_names = ("height",)

            def __init__(self, *, bands, scale, degradation, crop_size: int, seed: int):
                self.bands = tuple(bands)
                pairing = Pairing(degradation, tuple(scale), seed)
                wave = np.sin(np.arange(48) / 3)[None, None] * np.ones((1, 48, 1))
                whole = Region.whole(ArrayReader(wave.astype("float32")))
                self.training = RandomCrops([whole], pairing, Cropping(crop_size=crop_size))
                self.validation = self.test = FixedViews([whole], pairing)
        """,
    "normaliser.py": """
        from torch import nn

        class Halved(nn.Module):
            scope = "fixed"

            def lr(self, image, scene=None):
                return image / 2

            hr = lr

            def inverse(self, image, scene=None):
                return image * 2
        """,
    "formats.py": """
        from srlab.io.formats import Format

        WAVE = Format("wave", (".wave.npy",), "theirs.wave:WaveReader", "theirs.wave:WaveWriter")
        """,
    "wave.py": """
        import numpy as np
        from srlab.io import Axis, Channel, Description
        from srlab.io.clipping import Clipping

        class WaveReader:
            def __init__(self, path, *, bands=None):
                self.path = path
                shape = np.load(path, mmap_mode="r").shape[1:]
                self.description = Description(shape, (Axis("y"), Axis("x")), (Channel("height"),))

            def read(self, window):
                part = np.load(self.path, mmap_mode="r")[(slice(None), *window)]
                return np.array(part, np.float32)

            def close(self):
                pass

        class WaveWriter:
            chunks = (1, 1)

            def __init__(self, path, description, *, provenance):
                self.path, self.description = path, description
                self.clipping = Clipping(description.channels)

            def resume(self):
                return False

            def sync(self):
                pass

            def prepare(self):
                shape = (len(self.description.channels), *self.description.shape)
                np.save(self.path, np.zeros(shape, np.float32))

            def write(self, window, array):
                np.load(self.path, mmap_mode="r+")[(slice(None), *window)] = array

            def finish(self):
                pass

            def discard(self):
                pass
        """,
    "conf/generator/doubler.yaml": """
        _target_: theirs.generator.Doubler
        in_channels: ${len:${data.bands}}
        scale: ${scale}
        gain: 0.5
        """,
    "conf/loss/cubed.yaml": """
        cubed:
          _target_: srlab.losses.WeightedTerm
          weight: 2.0
          term:
            _target_: theirs.loss.Cubed
        """,
    "conf/data/waves.yaml": """
        _target_: theirs.data.Waves
        bands: [1]
        scale: ${scale}
        degradation: ${degradation}
        crop_size: 16
        seed: ${seed}
        """,
    "conf/normaliser/halved.yaml": "_target_: theirs.normaliser.Halved\n",
}

CHOSEN = [
    *("generator=doubler", "loss=[l1,cubed]", "data=waves", "normaliser=halved"),
    *("scale=[2,2]", "discriminator=none", "trainer.max_steps=2", "loader.num_workers=0"),
    *("metric=[psnr]", "logger=[csv]", "trainer.log_every_n_steps=1", "hydra.run.dir=run"),
]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The folder of an installed package with the parts above."""
    for name, text in FILES.items():
        path = tmp_path / "site" / "theirs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip())
    (tmp_path / "site" / "theirs" / "__init__.py").touch()
    metadata = tmp_path / "site" / "theirs-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    entries = "[srlab.conf]\ntheirs = theirs.conf\n\n[srlab.formats]\nwave = theirs.formats:WAVE\n"
    (metadata / "entry_points.txt").write_text(entries)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "site"


def run(package, command, *arguments):
    """Run a command in a process of its own: what was imported from a package stays in memory."""
    environment = {**os.environ, "PYTHONPATH": str(package)}
    line = [sys.executable, "-m", f"srlab.{command}", *arguments]
    return subprocess.run(line, capture_output=True, text=True, env=environment)


def test_parts_of_every_kind_train_and_predict(package, tmp_path):
    done = run(package, "train", *CHOSEN)
    assert done.returncode == 0, done.stderr
    header = (tmp_path / "run" / "metrics.csv").read_text().splitlines()[0]
    assert "loss/cubed" in header
    lr = np.random.default_rng(0).random((1, 12, 10), np.float32)
    np.save(tmp_path / "in.wave.npy", lr)
    model = "model=run/model.safetensors"
    done = run(package, "predict", model, "input=in.wave.npy", "output=out.wave.npy", "trust=true")
    assert done.returncode == 0, done.stderr
    assert np.load(tmp_path / "out.wave.npy").shape == (1, 24, 20)


def test_a_typo_of_theirs_shows_file_and_line(package):
    path = package / "theirs" / "generator.py"
    path.write_text(path.read_text().replace("self.gain = gain", "self.gain = gian"))
    done = run(package, "train", *CHOSEN)
    assert done.returncode == 1
    assert "NameError: name 'gian' is not defined" in done.stderr
    line = path.read_text().splitlines().index("        self.gain = gian") + 1
    assert f'generator.py", line {line}' in done.stderr


PLANTED = {
    "adversarial": "srlab.adversarial.BCE.discriminator_loss",
    "cli": "srlab.cli.assembly.validation",
    "data": "srlab.data.places.crops.RandomCrops.__getitem__",
    "degradations": "srlab.degradations.Bicubic.__call__",
    "discriminators": "srlab.discriminators.SRGANDiscriminator.forward",
    "generators": "srlab.generators.SRResNet.forward",
    "io": "srlab.io.array.ArrayReader.read",
    "losses": "srlab.losses.L1.forward",
    "metrics": "srlab.metrics.PSNR.__call__",
    "models": "srlab.models.super_resolver.SuperResolver.forward",
    "nn": "srlab.nn.blocks.ResidualBlock.forward",
    "normalisers": "srlab.normalisers.MinMax.hr",
    "report": "srlab.training.callbacks.image_grid.displayable",
    "training": "srlab.training.schedule.Schedule.share",
}
TRAINED = [
    *("generator.channels=8", "generator.blocks=1", "discriminator.channels=4"),
    *("discriminator.pooled_size=1", "discriminator.dense_channels=8", "data.crop_size=32"),
    *("loader.batch_size=2", "loader.num_workers=0", "trainer.max_steps=1"),
    *("schedule.pretrain_steps=0", "trainer.log_every_n_steps=1", "hydra.run.dir=run"),
]


def planted(*_, **__):
    return {}["shre"]


OFTEN = ("data", "io", "losses", "metrics", "training")
SEEN = [
    package if package in OFTEN else pytest.param(package, marks=pytest.mark.slow)
    for package in PLANTED
]


@pytest.mark.parametrize("package", SEEN)
def test_a_bug_of_ours_shows_its_traceback(package, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(PLANTED[package], planted)
    with pytest.raises(KeyError, match="shre") as error:
        run_command("train", TRAINED)
    assert error.traceback[-1].name == "planted"


def test_a_bug_in_prediction_shows_its_traceback(monkeypatch, tmp_path, trained):
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 8)).save("a.png")
    given = [
        f"model={trained / 'model.safetensors'}",
        "input=a.png",
        "output=b.png",
        "force=[value_range]",
    ]
    assert run_command("predict", [*given, "overwrite=true"]) == Outcome(0, "")
    monkeypatch.setattr("srlab.prediction.Predictor.__call__", planted)
    with pytest.raises(KeyError, match="shre"):
        run_command("predict", [*given, "overwrite=true"])


def test_every_room_has_a_bug_planted():
    from pathlib import Path

    rooms = {path.parent.name for path in Path(srlab.__file__).parent.glob("*/__init__.py")}
    assert rooms == {*PLANTED, "prediction"}
