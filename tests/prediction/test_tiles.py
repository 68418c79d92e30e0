import re
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srlab.prediction.tiles import Tile, TilePlan


@st.composite
def axes(draw):
    """Scene, tile and overlap along one axis, such that tiles have a core or see the whole axis."""
    overlap = draw(st.integers(0, 5))
    size = draw(st.integers(1, 30))
    tile = draw(
        st.one_of(st.integers(2 * overlap + 1, 2 * overlap + 12), st.integers(size, size + 10))
    )
    return size, tile, overlap


plans = st.lists(axes(), min_size=1, max_size=3).map(
    lambda axes: TilePlan(*(tuple(values) for values in zip(*axes, strict=True)))
)


@settings(deadline=None)
@given(plan=plans)
def test_cores_partition_the_scene(plan):
    covered = np.zeros(plan.shape, dtype=int)
    for tile in plan:
        assert all(
            0 <= core.start < core.stop <= size
            for core, size in zip(tile.core, plan.shape, strict=True)
        )
        covered[tile.core] += 1
    assert (covered == 1).all()


@settings(deadline=None)
@given(plan=plans)
def test_each_core_is_read_with_its_overlap_or_up_to_the_border(plan):
    for tile in plan:
        for core, read, size, overlap in zip(
            tile.core, tile.read, plan.shape, plan.overlap, strict=True
        ):
            assert 0 <= read.start <= core.start < core.stop <= read.stop <= size
            assert core.start - read.start >= overlap or read.start == 0
            assert read.stop - core.stop >= overlap or read.stop == size


@settings(deadline=None)
@given(plan=plans)
def test_all_reads_have_one_size(plan):
    wanted = tuple(min(size, tile) for size, tile in zip(plan.shape, plan.tile, strict=True))
    assert {tuple(read.stop - read.start for read in tile.read) for tile in plan} == {wanted}


@settings(deadline=None)
@given(plan=plans)
def test_length_is_the_number_of_tiles(plan):
    starts = [{tile.core[axis].start for tile in plan} for axis in range(len(plan.shape))]
    assert len(plan) == len(list(plan)) == prod(map(len, starts))


@settings(deadline=None)
@given(plan=plans)
def test_tiles_come_in_scan_order(plan):
    corners = [tuple(core.start for core in tile.core) for tile in plan]
    assert corners == sorted(corners)


@settings(deadline=None, max_examples=50)
@given(plan=plans, factors=st.tuples(*[st.integers(1, 3)] * 3))
def test_tiles_reassemble_an_enlarged_scene(plan, factors):
    scale = factors[: len(plan.shape)]
    scene = np.random.default_rng(0).random(plan.shape)
    enlarged, pasted = np.kron(scene, np.ones(scale)), np.zeros(np.multiply(plan.shape, scale))
    for tile in plan:
        pasted[tile.target(scale)] = np.kron(scene[tile.read], np.ones(scale))[tile.crop(scale)]
    np.testing.assert_array_equal(pasted, enlarged)


@pytest.mark.parametrize(("size", "tile", "overlap", "count"), [
    (10, 10, 2, 1),  # the whole scene in one
    (11, 10, 2, 2),  # cores of 8 and 3
    (16, 10, 2, 2),  # 8 + 8: neither needs overlap at the border
    (17, 10, 2, 3),
    (22, 10, 2, 3),  # 8 + 6 + 8
    (28, 10, 2, 4),
    (30, 10, 0, 3),
])  # fmt: skip
def test_no_tile_is_wasted(size, tile, overlap, count):
    # of a scene of n tiles, (n - 2) · (tile - 2 · overlap) + 2 · (tile - overlap) pixels can be cores
    assert len(TilePlan((size,), (tile,), (overlap,))) == count


def test_crop_and_target_by_hand():
    tile = Tile(core=(slice(8, 14), slice(0, 3)), read=(slice(6, 16), slice(0, 5)))
    assert tile.crop((4, 1)) == (slice(8, 32), slice(0, 3))
    assert tile.target((4, 1)) == (slice(32, 56), slice(0, 3))


def test_plan_depends_on_shape_and_settings_alone():
    plan = TilePlan((40, 17), (16, 8), (3, 2))
    assert plan == TilePlan((40, 17), (16, 8), (3, 2))
    assert list(plan) == list(plan)


@pytest.mark.parametrize(
    ("tile", "overlap"), [((8, 8), (4, 4)), ((8, 7), (0, 4)), ((8, 8), (0, -1))]
)
def test_tiles_without_a_core_are_refused(tile, overlap):
    message = (
        f"a tile of {tile} pixels with an overlap of {overlap} on each side leaves no core; "
        "use larger tiles (tile=) or less overlap (overlap=)."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        TilePlan((20, 20), tile, overlap)


def test_overlap_may_exceed_a_tile_that_sees_the_whole_axis():
    (tile,) = TilePlan((5, 5), (5, 8), (19, 19))
    assert tile.core == tile.read == (slice(0, 5), slice(0, 5))


@st.composite
def aligned_axes(draw):
    """Scene, tile, overlap and cell along one axis; the tile has room for a cell of core at the worst alignment."""
    overlap, cell = draw(st.integers(0, 5)), draw(st.integers(1, 5))
    tile = draw(st.integers(2 * overlap + 2 * cell - 1, 2 * overlap + 2 * cell + 12))
    return draw(st.integers(1, 60)), tile, overlap, cell


aligned_plans = st.lists(aligned_axes(), min_size=1, max_size=3).map(
    lambda axes: TilePlan(*(tuple(values) for values in zip(*axes, strict=True)))
)


@settings(deadline=None)
@given(plan=aligned_plans)
def test_aligned_reads_start_on_multiples_and_have_one_size(plan):
    covered = np.zeros(plan.shape, dtype=int)
    sizes = set()
    for tile in plan:
        covered[tile.core] += 1
        sizes.add(tuple(read.stop - read.start for read in tile.read))
        for core, read, size, overlap, cell in zip(
            tile.core, tile.read, plan.shape, plan.overlap, plan.multiple_of, strict=True
        ):
            assert read.start % cell == 0
            assert 0 <= read.start <= core.start < core.stop <= read.stop <= size
            assert core.start - read.start >= overlap or read.start == 0
            assert read.stop - core.stop >= overlap or read.stop == size
    assert (covered == 1).all()
    assert len(sizes) == 1
    assert all(length <= most for length, most in zip(*sizes, plan.tile, strict=True))


def test_aligned_tiles_by_hand():
    # 21 is odd, so reads of 9, not 10, let the last one start on a multiple of 2 and end with the scene
    plan = TilePlan((21,), (10,), (2,), (2,))
    assert [(tile.read[0].start, tile.read[0].stop) for tile in plan] == [
        (0, 9),
        (4, 13),
        (8, 17),
        (12, 21),
    ]
    assert [(tile.core[0].start, tile.core[0].stop) for tile in plan] == [
        (0, 6),
        (6, 10),
        (10, 14),
        (14, 21),
    ]
    assert TilePlan((21,), (10,), (2,), (1,)) == TilePlan((21,), (10,), (2,)) != plan


def test_tiles_without_a_core_on_multiples_are_refused():
    message = (
        "a tile of (8,) pixels with an overlap of (2,) on each side, and reads that start on multiples of (4,), leaves "
        "no core; use larger tiles (tile=) or less overlap (overlap=)."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        TilePlan((21,), (8,), (2,), (4,))
    TilePlan((24,), (8,), (2,), (4,))
