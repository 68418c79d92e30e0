"""Training on videos: frame by frame, and as clips with time as an axis."""

import numpy as np
import pytest
import torch
from clips import clip, moving

from srlab.data import Folder
from srlab.data.caches import DiskCache
from srlab.data.splits import WholeFiles
from srlab.degradations import Area

COMMON = {
    "suffixes": [".mkv"],
    "bands": [1, 2, 3],
    "crop_size": 16,
    "valid_share": 0.0,
    "weighting": "none",
    "symmetries": [],
    "mask": None,
    "hidden_classes": [],
    "channel_dropout": 0.0,
    "intensity_jitter": 0.0,
    "split": WholeFiles(fraction=0.25, end="time"),
    "validation_size": 16,
    "validation_views": None,
    "test_size": None,
    "unit": None,
    "data_range": None,
    "seed": 0,
}


def folder(root, dims, scale, **other):
    area = Area(scale=scale, spatial_dims=dims)
    given = COMMON | other
    return Folder(root=str(root), spatial_dims=dims, degradation=area, scale=scale, **given)


@pytest.fixture
def video(tmp_path):
    return clip(tmp_path / "a.mkv", "ffv1", format="bgr0")


def test_frames_train_one_by_one_and_the_end_validates(video, tmp_path):
    frames = torch.from_numpy(moving().transpose(0, 3, 1, 2).astype(np.float32))
    source = folder(
        video, 2, 2, cache=DiskCache(folder=str(tmp_path / "kept"), gigabytes=1.0, slow_only=True)
    )
    seen = set()
    for position in range(30):
        hr = source.training[position]["hr"]
        windows = frames.unfold(2, 16, 1).unfold(3, 16, 1)
        matches = (windows == hr[None, :, None, None]).all(dim=(1, 4, 5)).nonzero()
        seen.update(matches[:, 0].tolist())
    assert seen <= set(range(18))
    assert len(seen) > 8
    assert source.data_range == 255
    assert len(list((tmp_path / "kept").glob("*.tiles"))) == 1


def test_clips_train_with_time_as_an_axis(video):
    sample = folder(video, 3, [1, 2, 2], crop_size=[4, 16, 16]).training[0]
    assert sample["hr"].shape == (3, 4, 16, 16)
    assert sample["lr"].shape == (3, 4, 8, 8)
    steps = sample["hr"].diff(dim=1) % 200
    assert (steps == 7).all()


def test_statistics_are_those_of_the_frames_that_train(video):
    source = folder(video, 2, 2)
    mean = source.statistics().mean[:3]
    np.testing.assert_allclose(mean, moving(18).mean(axis=(0, 1, 2)), rtol=1e-5)
