"""Every source gives the same samples with any workers and ranks, after a resume, and cached."""

import hashlib
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from test_conf import OURS, chosen, composed, name_of, photographs

from srlab.data.module import DataModule
from srlab.data.sources.source import MeasuredSource

__all__ = ["photographs"]  # a fixture

SAMPLES = 80
BATCH = 5


DARK = list(range(0, 60 * 39, 39))
VARIATIONS = ["data.channel_dropout=0.3", "data.intensity_jitter=0.1"]
OPTIONS = {
    "data/rgb_folder": ["data.weighting=gradient", *VARIATIONS],
    "data/sentinel2": [
        *("data.weighting=variance", "data.mask=3", f"data.hidden_classes={DARK}"),
        *VARIATIONS,
    ],
}
"""Choices that make more of a sample random, or that hide some of it."""


def sources():
    """Yield the YAML of each class of sources; others of the class are left to the slow tests."""
    for name, options in OPTIONS.items():
        yield pytest.param(name, options, id=f"{name} with options")
    classes = set()
    for path in OURS:
        if path.parent.name == "data":
            target = OmegaConf.load(path).get("_target_")
            marks = [pytest.mark.slow] if target in {*classes, None} else []
            classes.add(target)
            yield pytest.param(name_of(path), [], marks=marks, id=name_of(path))


def source(config, **cache):
    """Build a source with a cache; its samples carry the statistics of their files, if any do."""
    config = config.copy()
    config.cache = cache
    built = instantiate(config.data, _convert_="all")
    if isinstance(built, MeasuredSource):
        built.gather_scenes(Path("scenes.json"))
    return built


def digests(batches, positions):
    """Return a digest of the sample at each position."""
    found = {}
    for places, batch in zip(positions, batches, strict=False):
        for micro in batch:
            everywhere = torch.ones_like(micro["hr"][:, :1], dtype=torch.bool)
            parts = [micro["lr"], micro["hr"], micro.get("valid", everywhere)]
            parts += [micro["scene"]] if "scene" in micro else []
            for place, *sample in zip(places, *parts, strict=True):
                content = b"".join(each.contiguous().numpy().tobytes() for each in sample)
                found[place] = hashlib.sha256(content).hexdigest()
    return found


def loaded(source, *, workers=0, rank=0, ranks=1, start=0):
    """Load one rank's samples among the first `SAMPLES`, from `start` on."""
    data = DataModule(source, batch_size=BATCH, num_workers=workers)
    data.trainer = SimpleNamespace(global_step=0, global_rank=rank, world_size=ranks)
    first, last = (count // (BATCH * ranks) for count in (start, SAMPLES))
    data.load_state_dict({"step": first})
    positions = [list(data.positions(step)) for step in range(first, last)]
    return digests(data.train_dataloader(), positions)


@pytest.mark.parametrize(("name", "options"), list(sources()))
def test_samples_are_a_function_of_seed_and_position(
    name, options, photographs, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    config = composed([*chosen(name, photographs), "data.crop_size=16", *options])
    expected = loaded(source(config, _target_="types.NoneType"))
    assert len(expected) == SAMPLES
    assert len(set(expected.values())) > SAMPLES // 2

    disk = {"_target_": "srlab.data.caches.DiskCache", "folder": str(tmp_path / "cache")}
    kept = source(config, **disk, gigabytes=1, slow_only=False)
    assert loaded(kept, workers=2) == expected
    ranks = [loaded(kept, workers=rank, rank=rank, ranks=2) for rank in (0, 1)]
    assert not ranks[0].keys() & ranks[1].keys()
    assert ranks[0] | ranks[1] == expected

    memory = {"_target_": "srlab.data.caches.MemoryCache", "gigabytes": 1, "slow_only": False}
    resumed = source(config, **memory)
    rest = {place: digest for place, digest in expected.items() if place >= SAMPLES // 2}
    assert loaded(resumed, workers=1, start=SAMPLES // 2) == rest
