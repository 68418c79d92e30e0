from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from srlab.data.places.rectangles import corners, cut, disjoint, hull

SIDE = 9
spans = st.tuples(st.integers(0, SIDE - 1), st.integers(1, SIDE)).map(
    lambda pair: slice(pair[0], min(sum(pair), SIDE))
)
windows = st.integers(1, 3).flatmap(
    lambda dims: st.lists(st.tuples(*[spans] * dims), min_size=1, max_size=5)
)


def painted(windows, shape, value=1):
    image = np.zeros(shape, int)
    for window in windows:
        image[window] += value
    return image


@settings(deadline=None)
@given(windows=windows, data=st.data())
def test_disjoint_rectangles_hold_each_pixel_once(windows, data):
    dims = len(windows[0])
    without = data.draw(st.lists(st.tuples(*[spans] * dims), max_size=4))
    found = painted(disjoint(windows, without=without), [SIDE] * dims)
    wanted = (painted(windows, found.shape) > 0) & (painted(without, found.shape) == 0)
    np.testing.assert_array_equal(found, wanted)


@settings(deadline=None)
@given(windows=windows, data=st.data())
def test_corners_are_all_places_where_a_rectangle_fits(windows, data):
    dims = len(windows[0])
    shape = data.draw(st.tuples(*[st.integers(1, 4)] * dims))
    inside = painted(windows, [SIDE] * dims) > 0
    wanted = np.zeros(inside.shape, int)
    for corner in product(*(range(SIDE - side + 1) for side in shape)):
        whole = tuple(slice(at, at + side) for at, side in zip(corner, shape, strict=True))
        wanted[corner] = inside[whole].all()
    np.testing.assert_array_equal(painted(corners(windows, shape), inside.shape), wanted)


@given(windows=windows, side=st.integers(1, 5))
def test_blocks_divide_a_window_evenly(windows, side):
    blocks = cut(windows[0], [side] * len(windows[0]))
    np.testing.assert_array_equal(
        painted(blocks, [SIDE] * len(windows[0])), painted(windows[:1], [SIDE] * len(windows[0]))
    )
    assert hull(blocks) == windows[0]
    for axis, span in enumerate(windows[0]):
        sides = {block[axis].stop - block[axis].start for block in blocks}
        assert max(sides) <= side
        assert max(sides) - min(sides) <= 1
        assert 2 * min(sides) >= min(side, span.stop - span.start)
