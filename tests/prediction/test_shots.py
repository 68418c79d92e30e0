"""A shot of a video is predicted as if it were alone."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srlab.io.array import ArrayReader
from srlab.prediction.blocks import Anywhere, block
from srlab.prediction.tiles import TileGrid

SCALE = (1, 2, 2)


def sees_all(lr):
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
