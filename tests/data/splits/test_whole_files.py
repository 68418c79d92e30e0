import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from split_examples import Placed, painted

from srlab.data.places.regions import Region
from srlab.data.splits import WholeFiles
from srlab.io import open_reader
from srlab.io.array.memory import ArrayReader
from srlab.mistakes import Mistake

shapes = st.lists(st.integers(1, 15), min_size=2, max_size=3).map(tuple)
fractions = st.floats(0.001, 0.999)


def region(*shape):
    return Region.whole(ArrayReader(np.zeros((1, *shape))))


@settings(deadline=None)
@given(shape=shapes.filter(lambda shape: max(shape) > 1), fraction=fractions)
def test_one_file_is_split_into_two_parts_that_share_no_pixel(shape, fraction):
    (training,), (validation,) = WholeFiles(fraction=fraction)([region(*shape)])
    assert (painted([training, validation], shape) == 1).all()
    longest = max(shape)
    held = validation.shape[shape.index(longest)]
    assert 1 <= held < longest
    assert abs(held - fraction * longest) <= 0.5 or min(held, longest - held) == 1
    assert [a for a, b in zip(validation.shape, shape, strict=True) if a != b] == [held]


def test_one_file_is_held_out_at_the_end_of_its_longest_axis():
    (training,), (validation,) = WholeFiles(fraction=0.1)([region(20, 50)])
    assert training.window == (slice(0, 20), slice(0, 45))
    assert validation.window == (slice(0, 20), slice(45, 50))


def test_the_end_in_time_needs_an_axis_of_time():
    with pytest.raises(Mistake, match="has the axes y, x"):
        WholeFiles(fraction=0.1, end="time")([region(20, 50)])


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


def test_a_fraction_outside_0_to_1_is_refused():
    for fraction in [0, 1, -0.1, 1.5, 10]:
        with pytest.raises(
            ValueError, match=f"fraction is {fraction}; it must lie between 0 and 1"
        ):
            WholeFiles(fraction=fraction)([region(9, 9)])


@pytest.mark.parametrize(("fraction", "count"), [(0.2, 1), (0.55, 4)])
def test_files_of_the_same_ground_fall_on_the_same_side(fraction, count):
    """Four of ten do: one twice, one in another direction, and one through that alone."""
    alone = [Placed((20, 20), 0, 1000 * number) for number in range(1, 7)]
    same = [Placed((20, 20)), Placed((20, 20)), Placed((30, 30), 15, 15, turn=30)]
    same.append(Placed((9, 9), 35, 28))  # it meets the one that is turned, and no other
    files = [each for pair in zip(alone, same, strict=False) for each in pair] + alone[4:]
    training, held = WholeFiles(fraction=fraction)([*map(Region.whole, files)])
    sides = [{part.reader for part in side} for side in (training, held)]
    assert sides[0].isdisjoint(sides[1])
    assert sides[0] | sides[1] == set(files)
    assert {*same} <= sides[0] or {*same} <= sides[1]
    assert len(sides[1] - {*same}) + ({*same} <= sides[1]) == count  # of seven places


def test_files_side_by_side_do_not_cover_the_same_ground():
    tiles = [Placed((20, 20), 0, 20 * number) for number in range(10)]
    training, held = WholeFiles(fraction=0.5)([*map(Region.whole, tiles)])
    assert (len(training), len(held)) == (5, 5)


def test_the_end_of_the_only_ground_is_held_out_in_each_of_its_files():
    files = [Placed((20, 50)), Placed((20, 50)), Placed((20, 20), 0, 40)]
    training, held = WholeFiles(fraction=0.25)([*map(Region.whole, files)])
    columns = [
        {column for part in side for column in np.unique(part.read() // 1000)}
        for side in (training, held)
    ]
    assert columns == [{*range(45)}, {*range(45, 60)}]
    assert {part.reader for part in training} == {part.reader for part in held} == {*files}


def test_one_ground_on_different_grids_cannot_be_split():
    files = [Region.whole(Placed((20, 20))), Region.whole(Placed((20, 20), turn=10))]
    with pytest.raises(ValueError, match="all 2 files cover the same ground, on different grids"):
        WholeFiles(fraction=0.5)(files)


def test_bands_of_a_real_scene_are_one_ground_at_any_resolution(shared_data):
    """Landsat's 30 m and 15 m bands lie on grids of their own, and Sentinel-2's scene elsewhere."""
    landsat = sorted(shared_data("satellite/l8_pan15_ms30").glob("*.tif"))
    scene = shared_data("satellite/s2_ftw_8band_10m_uint16_utm33.tif")
    regions = [Region.whole(open_reader(path)) for path in [*landsat, scene]]
    training, held = WholeFiles(fraction=0.5)(regions)
    assert {len(training), len(held)} == {1, len(landsat)}
