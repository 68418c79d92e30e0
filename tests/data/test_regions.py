from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from srlab.data.places.regions import Region, views
from srlab.io.array.memory import ArrayReader

shapes = st.lists(st.integers(1, 15), min_size=2, max_size=3).map(tuple)


def region(*shape, fill=0.0):
    return Region.whole(ArrayReader(np.full((1, *shape), fill)))


def covered(regions, shape):
    """How often each pixel of one scene lies in `regions`."""
    times = np.zeros(shape, dtype=int)
    for part in regions:
        times[part.window] += 1
    return times


sizes = st.lists(st.integers(1, 12), min_size=3, max_size=3)


@settings(deadline=None)
@given(shape=shapes, size=sizes)
def test_views_fill_a_region_without_overlap(shape, size):
    size = size[: len(shape)]
    parts = views([region(*shape)], size=size, count=None)
    times = covered(parts, shape)
    assert times.max() == 1
    # what is left at the end of an axis is less than a view
    side = tuple(map(min, shape, size))
    whole = np.subtract(shape, np.remainder(shape, side))
    assert times[tuple(map(slice, whole))].all()
    assert times.sum() == np.prod(whole)
    assert {part.shape for part in parts} == {side}


@settings(deadline=None)
@given(shape=shapes, size=sizes)
def test_tiles_cover_each_pixel_of_a_region_once(shape, size):
    size = size[: len(shape)]
    parts = list(region(*shape).tiled(size))
    assert (covered(parts, shape) == 1).all()
    assert all(np.less_equal(part.shape, size).all() for part in parts)


def test_views_of_a_part_stay_inside_it():
    part = region(20, 50).part([4, 30], [16, 20])
    parts = views([part], size=(8, 8), count=None)
    assert [view.window for view in parts] == [
        (slice(row, row + 8), slice(column, column + 8))
        for row, column in product((4, 12), (30, 38))
    ]


def test_views_without_a_size_are_the_regions_themselves():
    regions = [region(20, 50), region(3, 4)]
    assert views(regions, size=None, count=None) == regions


@settings(deadline=None)
@given(lengths=st.lists(st.integers(1, 20), min_size=1, max_size=6), count=st.integers(1, 30))
def test_views_are_chosen_evenly_over_all_regions(lengths, count):
    regions = [region(1, length) for length in lengths]
    everything = views(regions, size=(1, 1), count=None)
    chosen = views(regions, size=(1, 1), count=count)
    assert len(everything) == sum(lengths)
    assert len(chosen) == min(count, len(everything))
    places = [everything.index(view) for view in chosen]
    gaps = np.diff(places)
    assert (gaps > 0).all()
    assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1
    # as much is left out before the first as after the last
    assert abs(places[0] - (len(everything) - 1 - places[-1])) <= 1


def test_a_part_of_a_part_is_read_where_it_lies():
    image = np.arange(2 * 7 * 9, dtype=np.float32).reshape(2, 7, 9)
    part = Region.whole(ArrayReader(image)).part([1, 2], [5, 6]).part([2, 1], [2, 4])
    assert part.shape == (2, 4)
    np.testing.assert_array_equal(part.read(), image[:, 3:5, 3:7])
