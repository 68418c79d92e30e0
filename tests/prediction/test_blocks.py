from math import prod

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from srlab.io.array import ArrayReader
from srlab.prediction.blocks import block, block_windows
from srlab.prediction.grid.tiles import TileGrid


class ShowsSeams:
    """Enlarges tiles and adds their means, so that each tile differs from what others make of it.

    It gives `channels` of them, and notes how many tiles it got at a time.
    """

    def __init__(self, scale, channels=2):
        self.scale, self.channels = scale, channels
        self.seen = []

    def __call__(self, lr, inside, spare):
        self.seen.append(len(lr))
        shifted = lr + lr.mean(axis=tuple(range(1, lr.ndim)), keepdims=True)
        return np.kron(shifted[:, : self.channels], np.ones((1, 1, *self.scale), np.float32))


def starts(window):
    return [span.start for span in window]


@st.composite
def scenes(draw):
    dims = draw(st.integers(2, 3))
    shape = tuple(draw(st.integers(1, 14)) for _ in range(dims))
    scale = tuple(draw(st.integers(1, 3)) for _ in range(dims))
    overlap = tuple(draw(st.integers(0, 2)) for _ in range(dims))
    tile = tuple(2 * margin + draw(st.integers(1, 6)) for margin in overlap)
    image = np.random.default_rng(0).random((2, *shape)).astype(np.float32)
    return ArrayReader(image), TileGrid(shape, tile, overlap, scale)


@settings(deadline=None, max_examples=60)
@given(scene=scenes(), batch_size=st.integers(1, 4), data=st.data())
def test_any_window_is_that_part_of_the_whole_scene(scene, batch_size, data):
    reader, grid = scene
    everything = tuple(slice(0, size) for size in grid.target_shape)
    whole = block(ShowsSeams(grid.scale), reader, grid, everything)
    window = []
    for size in grid.target_shape:
        start = data.draw(st.integers(0, size - 1))
        window.append(slice(start, data.draw(st.integers(start + 1, size))))
    predict = ShowsSeams(grid.scale)
    part = block(predict, reader, grid, tuple(window), batch_size=batch_size)
    np.testing.assert_array_equal(part, whole[(slice(None), *window)], strict=True)
    assert max(predict.seen) <= batch_size
    assert sum(predict.seen) == len(list(grid.touching(tuple(window))))


def test_a_block_has_the_channels_of_the_prediction():
    reader = ArrayReader(np.ones((4, 9, 9), np.float32))
    grid = TileGrid((9, 9), (5, 5), (1, 1), (2, 2))
    for channels in (1, 3):
        result = block(ShowsSeams((2, 2), channels), reader, grid, (slice(2, 7), slice(0, 18)))
        np.testing.assert_array_equal(result, np.full((channels, 5, 18), 2, np.float32))


@settings(deadline=None, max_examples=60)
@given(scene=scenes(), tiles_per_block=st.integers(1, 4), data=st.data())
def test_blocks_partition_the_scene_and_end_on_chunks(scene, tiles_per_block, data):
    _, grid = scene
    chunks = tuple(data.draw(st.integers(1, 7)) for _ in grid.shape)
    windows = list(block_windows(grid, chunks=chunks, tiles_per_block=tiles_per_block))
    covered = np.zeros(grid.target_shape, dtype=int)
    for window in windows:
        covered[window] += 1
        for span, chunk, size in zip(window, chunks, grid.target_shape, strict=True):
            assert span.stop % chunk == 0 or span.stop == size
    assert (covered == 1).all()
    assert windows == sorted(windows, key=starts)


@settings(deadline=None, max_examples=30)
@given(scene=scenes(), tiles_per_block=st.integers(1, 4))
def test_without_chunks_each_tile_is_in_one_block(scene, tiles_per_block):
    _, grid = scene
    ones = (1,) * len(grid.shape)
    windows = list(block_windows(grid, chunks=ones, tiles_per_block=tiles_per_block))
    counts = [len(list(grid.touching(window))) for window in windows]
    assert sum(counts) == len(grid)
    columns = len(grid.axes[-1])
    rows = prod(len(axis) for axis in grid.axes[:-1])
    assert len(counts) == rows * -(-columns // tiles_per_block)
    assert max(counts) == min(columns, tiles_per_block)
