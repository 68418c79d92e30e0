import re
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srlab.prediction.grid.tiles import Tile, TileGrid

EDGES = st.sampled_from(["zeros", "replicate", "reflect"])


@st.composite
def axes(draw, edges):
    """Scene, tile, overlap, scale and cell along one axis; a tile has a core or sees all of it."""
    overlap, cell = draw(st.integers(0, 4)), draw(st.integers(1, 4))
    size = draw(st.integers(1, 24))
    least = 2 * around(overlap, cell, edges) + 2 * cell - 1
    tile = draw(st.one_of(st.integers(least, least + 8), st.integers(size, size + 5)))
    return size, tile, overlap, draw(st.integers(1, 3)), cell


def around(overlap, cell, edges):
    """The overlap; where the scene is continued, in whole cells."""
    return overlap if edges == "zeros" else -(-overlap // cell) * cell


def grid_of(axes, edges):
    return TileGrid(*(tuple(values) for values in zip(*axes, strict=True)), edges)


@st.composite
def single_axes(draw):
    edges = draw(EDGES)
    return draw(axes(edges)), edges


@st.composite
def grids(draw):
    edges = draw(EDGES)
    return grid_of(draw(st.lists(axes(edges), min_size=1, max_size=3)), edges)


def intersect(first, second):
    return all(a.start < b.stop and b.start < a.stop for a, b in zip(first, second, strict=True))


@settings(deadline=None, max_examples=60)
@given(grid=grids())
def test_cores_partition_the_scene_in_scan_order(grid):
    covered = np.zeros(grid.shape, dtype=int)
    tiles = list(grid)
    for tile in tiles:
        for core, size in zip(tile.core, grid.shape, strict=True):
            assert 0 <= core.start < core.stop <= size
        covered[tile.core] += 1
    assert (covered == 1).all()
    assert len(grid) == len(tiles)
    assert tiles == sorted(tiles, key=lambda tile: [core.start for core in tile.core])


@settings(deadline=None)
@given(single=single_axes())
def test_each_core_is_read_with_its_overlap(single):
    axis, edges = single
    size, _, overlap, _, _ = axis
    beyond = 0 if edges == "zeros" else overlap
    for tile in grid_of([axis], edges):
        (core,), (read,) = tile.core, tile.read
        assert read.start <= core.start < core.stop <= read.stop
        assert core.start - read.start >= min(overlap, core.start + beyond)
        assert read.stop - core.stop >= min(overlap, size - core.stop + beyond)
        if edges == "zeros":
            assert 0 <= read.start < read.stop <= size


@settings(deadline=None)
@given(grid=grids())
def test_reads_have_one_shape_within_the_tile_and_start_on_multiples(grid):
    lengths = set()
    for tile in grid:
        lengths.add(tuple(read.stop - read.start for read in tile.read))
        assert all(
            read.start % cell == 0
            for read, cell in zip(tile.read, grid.multiple_of, strict=True)
        )  # fmt: skip
    (length,) = lengths
    for longest, read, size, rim in zip(grid.tile, length, grid.shape, grid.rim, strict=True):
        assert read == size + 2 * rim if size <= longest else read <= longest


@settings(deadline=None)
@given(single=single_axes())
def test_an_axis_is_divided_evenly_into_the_fewest_tiles(single):
    axis, edges = single
    size, longest, overlap, _, cell = axis
    grid = grid_of([axis], edges)
    if longest >= size:
        assert len(grid) == 1
        return
    overlap = around(overlap, cell, edges)
    (rim,) = grid.rim
    if cell == 1:
        # The two outermost cores need an overlap on one side alone, unless there is a rim.
        inner, outer = longest - 2 * overlap, longest - overlap - rim
        assert len(grid) == 1 + -(-max(0, size - 2 * outer) // inner) + (size > outer)
    # A tile shorter by one multiple would leave pixels over.
    (read,) = next(iter(grid)).read
    shorter = read.stop - read.start - cell - 2 * overlap
    assert len(grid) * (shorter // cell * cell) + 2 * overlap < size + 2 * rim


@settings(deadline=None)
@given(grid=grids(), data=st.data())
def test_a_window_is_touched_by_the_tiles_whose_cores_it_meets(grid, data):
    window = []
    for size in grid.target_shape:
        start = data.draw(st.integers(0, size - 1))
        window.append(slice(start, data.draw(st.integers(start + 1, size))))
    expected = [tile for tile in grid if intersect(tile.target(grid.scale), window)]
    assert list(grid.touching(tuple(window))) == expected


@settings(deadline=None, max_examples=30)
@given(grid=grids())
def test_tiles_reassemble_an_enlarged_scene(grid):
    scene = np.random.default_rng(0).random(grid.shape)
    enlarged, pasted = np.kron(scene, np.ones(grid.scale)), np.zeros(grid.target_shape)
    mode = "reflect" if grid.edges == "reflect" else "edge"
    rim = grid.rim
    continued = np.pad(scene, [(pixels, pixels) for pixels in rim], mode)
    for tile in grid:
        target = tile.target(grid.scale)
        read = [slice(s.start + r, s.stop + r) for s, r in zip(tile.read, rim, strict=True)]
        sr = np.kron(continued[tuple(read)], np.ones(grid.scale))
        pasted[target] = sr[tile.source(target, grid.scale)]
    np.testing.assert_array_equal(pasted, enlarged)


def test_source_and_target_by_hand():
    core, scene = (slice(8, 14), slice(0, 3)), (slice(0, 30), slice(0, 30))
    tile = Tile(core=core, read=(slice(6, 16), slice(0, 5)), faded=core, scene=scene)
    assert tile.target((4, 1)) == (slice(32, 56), slice(0, 3))
    assert tile.source(tile.target((4, 1)), (4, 1)) == (slice(8, 32), slice(0, 3))
    assert tile.source((slice(33, 35), slice(1, 2)), (4, 1)) == (slice(9, 11), slice(1, 2))


def test_aligned_tiles_by_hand():
    grid = TileGrid((21,), (10,), (2,), (1,), (2,), "zeros")
    reads = [(tile.read[0].start, tile.read[0].stop) for tile in grid]
    assert reads == [(0, 9), (4, 13), (8, 17), (12, 21)]
    cores = [(tile.core[0].start, tile.core[0].stop) for tile in grid]
    assert cores == [(0, 6), (6, 10), (10, 14), (14, 21)]


def test_tiles_beyond_the_scene_by_hand():
    grid = TileGrid((21,), (12,), (2,), (1,))
    reads = [(tile.read[0].start, tile.read[0].stop) for tile in grid]
    assert reads == [(-2, 9), (5, 16), (12, 23)]
    cores = [(tile.core[0].start, tile.core[0].stop) for tile in grid]
    assert cores == [(0, 7), (7, 14), (14, 21)]


def test_what_continues_a_scene_is_whole_cells():
    grid = TileGrid((23,), (23,), (5,), (1,), (4,))
    assert grid.rim == (8,)
    ((read,),) = (tile.read for tile in grid)
    assert read == slice(-8, 31)


def test_a_grid_depends_on_shape_and_settings_alone():
    first, second = (TileGrid((40, 17), (16, 8), (3, 2), (1, 1)) for _ in range(2))
    assert first == second
    assert list(first) == list(second)
    assert first == TileGrid((40, 17), (16, 8), (3, 2), (1, 1), (1, 1))
    assert first != TileGrid((40, 17), (16, 8), (3, 2), (1, 1), (1, 2))


def test_overlap_may_exceed_a_tile_that_sees_the_whole_axis():
    (tile,) = TileGrid((5, 5), (5, 8), (19, 2), (1, 1))
    assert tile.core == (slice(0, 5), slice(0, 5))
    assert tile.read == (slice(-19, 24), slice(-2, 7))


def test_tiles_without_a_core_are_refused():
    for tile, overlap in [((8, 8), (4, 4)), ((8, 7), (0, 4)), ((8, 8), (0, -1))]:
        message = (
            f"a tile of {tile} pixels with an overlap of {overlap} on each side leaves no core; "
            "use larger tiles (tile=) or less overlap (overlap=)."
        )
        with pytest.raises(ValueError, match=re.escape(message)):
            TileGrid((20, 20), tile, overlap, (1, 1))


def test_tiles_without_a_core_on_multiples_are_refused():
    message = (
        "a tile of (8,) pixels with an overlap of (2,) on each side, and reads that start on "
        "multiples of (4,), leaves no core; use larger tiles (tile=) or less overlap (overlap=)."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        TileGrid((21,), (8,), (2,), (1,), (4,), "zeros")
    assert len(TileGrid((24,), (8,), (2,), (1,), (4,), "zeros")) == 5


def test_unknown_edges_are_refused():
    message = "edges is 'mirror'; it must be one of replicate, reflect, zeros."
    with pytest.raises(ValueError, match=re.escape(message)):
        TileGrid((9, 9), (9, 9), (1, 1), (1, 1), edges="mirror")


def test_a_tile_is_found_in_a_scene_of_any_size():
    """A damaged file may claim any size, and a list of all tiles would take hours."""
    side = 10**12
    grid = TileGrid((side, side), tile=(100, 100), overlap=(10, 10), scale=(2, 2))
    (last,) = grid.touching((slice(2 * side - 1, 2 * side),) * 2)
    assert last.core[0].stop == last.core[1].stop == side
    assert len(grid) == sys.maxsize
