"""A shot of a video is predicted as if it were alone."""

import re

import numpy as np
import pytest
from clips import clip, decoded, moving
from hypothesis import given, settings
from hypothesis import strategies as st
from model_examples import model

from srlab.io.array import ArrayReader
from srlab.mistakes import Mistake
from srlab.prediction import Opened, Request, super_resolve_file
from srlab.prediction.blocks import Anywhere, block
from srlab.prediction.grid.tiles import TileGrid
from srlab.prediction.verification import verify

SCALE = (1, 2, 2)


def sees_all(lr, spare):
    """SR that depends on every pixel of a tile."""
    lr = lr + lr.mean(axis=(2, 3, 4), keepdims=True)
    return lr.repeat(2, axis=-1).repeat(2, axis=-2)


@st.composite
def films(draw):
    """A film with holes, the lengths of its shots, and the settings of a grid."""
    lengths = draw(st.lists(st.integers(1, 15), min_size=1, max_size=4))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    film = random.random((1, sum(lengths), 7, 9)).astype(np.float32)
    film[random.random(film.shape) < draw(st.sampled_from([0, 0.3]))] = np.nan
    overlap = (draw(st.integers(0, 2)), 1, 1)
    tile = (draw(st.integers(7, 9)), 6, 6)
    chosen = {
        "multiple_of": (draw(st.integers(1, 2)), 1, 1),
        "edges": draw(st.sampled_from(["replicate", "reflect", "zeros"])),
        "join": draw(st.sampled_from(["crop", "blend"])),
    }
    return film, lengths, (tile, overlap, SCALE), chosen


def predicted(film, settings, chosen, window, cuts=()):
    grid = TileGrid(film.shape[1:], *settings, **chosen, cuts=cuts)
    return block(Anywhere(sees_all), ArrayReader(film), grid, window, batch_size=3)


@settings(deadline=None, max_examples=40)
@given(film=films(), data=st.data())
def test_each_shot_has_the_bytes_that_it_has_alone(film, data):
    film, lengths, settings, chosen = film
    stops = np.cumsum(lengths).tolist()
    first, last = sorted(data.draw(st.lists(st.integers(0, stops[-1]), min_size=2, max_size=2)))
    window = (slice(first, max(last, first + 1)), slice(3, 14), slice(0, 17))
    if window[0].stop > stops[-1]:
        return
    alone = []
    for length, stop in zip(lengths, stops, strict=True):
        shot, everywhere = film[:, stop - length : stop], (slice(0, length), *window[1:])
        alone.append(predicted(shot, settings, chosen, everywhere))
    expected = np.concatenate(alone, axis=1)[:, window[0]]
    got = predicted(film, settings, chosen, window, cuts=tuple(stops[:-1]))
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("cuts", [(0,), (9,), (3, 3), (5, 2)])
def test_cuts_that_no_video_has_are_refused(cuts):
    message = f"the cuts are at frames {list(cuts)}; they must rise, within the 9 frames"
    with pytest.raises(ValueError, match=re.escape(message)):
        TileGrid((9, 8, 8), (5, 8, 8), (1, 1, 1), SCALE, cuts=cuts)


def frames_of(models, source, frames, **chosen):
    """The frames that are predicted for a clip of `frames`, and what was settled for it."""
    clip(source, "ffv1", frames=frames, format="bgr0")
    output = source.with_name(f"sr_{source.name}")
    request = Request(
        tile=[7, 40, 40],
        overlap=2,
        bands=[1, 2, 3],
        force=["pixel_size"],
        options={"codec": "ffv1"},
        **chosen,
    )
    outcome = super_resolve_file(models, source, output, request=request, overwrite=True)
    assert not verify(models, output, source).differing
    return np.stack(decoded(output)), outcome.settled


def test_a_clip_of_two_shots_is_predicted_as_two_clips(tmp_path):
    models = [Opened(__file__, model(scale=SCALE))]
    shots = [moving(11, 16, 24), 255 - moving(6, 16, 24)]
    got, settled = frames_of(models, tmp_path / "both.mkv", np.concatenate(shots))
    assert settled["cuts"] == [11]
    alone = [frames_of(models, tmp_path / "one.mkv", shot)[0] for shot in shots]
    np.testing.assert_array_equal(got, np.concatenate(alone))
    across, settled = frames_of(
        models, tmp_path / "both.mkv", np.concatenate(shots), cut_threshold=None
    )
    assert settled["cuts"] == []
    assert (got[10:12] != across[10:12]).any()


def test_a_threshold_below_every_step_is_refused():
    with pytest.raises(Mistake, match=r"^cut_threshold is 1\.0; give how many times as large"):
        Request(cut_threshold=1.0)
