import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srlab.data.regions import Region
from srlab.data.splits import WholeFiles
from srlab.io.array.memory import ArrayReader

shapes = st.lists(st.integers(1, 15), min_size=2, max_size=3).map(tuple)
fractions = st.floats(0.001, 0.999)


def region(*shape):
    return Region.whole(ArrayReader(np.zeros((1, *shape))))


def covered(regions, shape):
    """How often each pixel of one scene lies in `regions`."""
    times = np.zeros(shape, dtype=int)
    for part in regions:
        times[part.window] += 1
    return times


@settings(deadline=None)
@given(shape=shapes.filter(lambda shape: max(shape) > 1), fraction=fractions)
def test_one_file_is_split_into_two_parts_that_share_no_pixel(shape, fraction):
    (training,), (validation,) = WholeFiles(fraction=fraction)([region(*shape)])
    assert (covered([training, validation], shape) == 1).all()
    longest = max(shape)
    held = validation.shape[shape.index(longest)]
    assert 1 <= held < longest
    assert abs(held - fraction * longest) <= 0.5 or min(held, longest - held) == 1
    assert [a for a, b in zip(validation.shape, shape, strict=True) if a != b] == [held]


def test_one_file_is_held_out_at_the_end_of_its_longest_axis():
    (training,), (validation,) = WholeFiles(fraction=0.1)([region(20, 50)])
    assert training.window == (slice(0, 20), slice(0, 45))
    assert validation.window == (slice(0, 20), slice(45, 50))


@settings(deadline=None)
@given(count=st.integers(2, 60), fraction=fractions)
def test_of_several_files_whole_ones_are_held_out(count, fraction):
    files = [region(4, 4) for _ in range(count)]
    training, validation = WholeFiles(fraction=fraction)(files)
    held = [part.reader for part in validation]
    assert {id(part.reader) for part in training}.isdisjoint(map(id, held))
    assert len(training) + len(validation) == count
    assert all(part.window == (slice(0, 4), slice(0, 4)) for part in [*training, *validation])
    assert (
        abs(len(validation) - fraction * count) <= 0.5 or min(len(training), len(validation)) == 1
    )


@settings(deadline=None)
@given(count=st.integers(2, 60), fraction=fractions)
def test_held_out_files_are_spread_evenly(count, fraction):
    files = [region(1, 1) for _ in range(count)]
    _, validation = WholeFiles(fraction=fraction)(files)
    order = [id(file) for file in files]
    places = [order.index(id(part)) for part in validation]
    gaps = np.diff(places)
    assert (gaps > 0).all()
    assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1
    # the first and the last stretch hold about half a gap
    spacing = count / len(places)
    assert places[0] <= spacing / 2 <= places[0] + 1
    assert count - spacing / 2 - 1 <= places[-1] <= count - spacing / 2


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, 10])
def test_a_fraction_outside_0_to_1_is_refused(fraction):
    with pytest.raises(ValueError, match=f"fraction is {fraction}; it must lie between 0 and 1"):
        WholeFiles(fraction=fraction)([region(9, 9)])
