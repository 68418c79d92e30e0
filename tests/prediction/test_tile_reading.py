import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from srlab.axes import relative
from srlab.io.array import ArrayReader
from srlab.nn.holes import filled
from srlab.prediction.grid.tiles import TileGrid
from srlab.prediction.reading import see


class Counting(ArrayReader):
    """Notes the pixels of each read."""

    def __init__(self, array):
        super().__init__(array)
        self.reads = []

    def read(self, window):
        values = super().read(window)
        self.reads.append(values[0].size)
        return values


@st.composite
def scenes(draw):
    dims = draw(st.integers(2, 3))
    shape = tuple(draw(st.integers(1, 12)) for _ in range(dims))
    overlap = tuple(draw(st.integers(0, 3)) for _ in range(dims))
    tile = tuple(2 * margin + draw(st.integers(1, 5)) for margin in overlap)
    random = np.random.default_rng(draw(st.integers(0, 99)))
    image = random.random((2, *shape)).astype(np.float32)
    image[random.random(image.shape) < draw(st.sampled_from([0, 0.2, 0.8, 0.97]))] = np.nan
    edges = draw(st.sampled_from(["replicate", "reflect", "zeros"]))
    return image, TileGrid(shape, tile, overlap, (1,) * dims, edges=edges)


@settings(deadline=None, max_examples=80)
@given(scene=scenes())
def test_valid_pixels_have_the_same_surroundings_in_a_tile_as_in_the_whole_scene(scene):
    image, grid = scene
    mode = "reflect" if grid.edges == "reflect" else "edge"
    padding = [(0, 0), *((rim, rim) for rim in grid.rim)]
    whole = np.pad(filled(image), padding, mode)
    for tile in grid:
        values, missing = see(ArrayReader(image), tile, grid)
        assert np.isfinite(values).all()
        assert values.shape[1:] == tuple(span.stop - span.start for span in tile.read)
        if missing is not None:
            core = missing[(slice(None), *relative(tile.core, tile.read))][0]
            np.testing.assert_array_equal(core, np.isnan(image[(slice(None), *tile.core)]).any(0))
        for place in np.argwhere(np.isfinite(image[(slice(None), *tile.core)]).all(axis=0)):
            near = []
            for at, core, read, reach in zip(
                place, tile.core, tile.read, grid.overlap, strict=True
            ):
                start, stop = core.start + at - reach, core.start + at + reach + 1
                near.append(slice(max(start, read.start), min(stop, read.stop)))
            beyond = tuple(
                slice(span.start + rim, span.stop + rim)
                for span, rim in zip(near, grid.rim, strict=True)
            )
            np.testing.assert_array_equal(
                values[(slice(None), *relative(tuple(near), tile.read))],
                whole[(slice(None), *beyond)],
            )


def test_only_tiles_with_holes_read_more_than_they_see():
    image = np.ones((1, 40, 40), np.float32)
    image[0, 35, 35] = np.nan
    grid = TileGrid((40, 40), (14, 14), (2, 2), (1, 1))
    for tile in grid:
        reader = Counting(image)
        see(reader, tile, grid)
        holds_hole = all(span.start <= 35 < span.stop for span in tile.read)
        assert len(reader.reads) == 1 + holds_hole
        assert max(reader.reads) <= (14 + 2 * 3) ** 2


def test_infinities_of_any_reader_are_missing():
    class Careless(ArrayReader):
        def read(self, window):
            return np.where(super().read(window) == 3, np.float32(-np.inf), np.float32(8))

    image = np.zeros((1, 6, 6), np.float32)
    image[0, 2, 2] = 3
    grid = TileGrid((6, 6), (6, 6), (1, 1), (1, 1))
    values, missing = see(Careless(image), next(iter(grid)), grid)
    assert (values == 8).all()
    assert np.argwhere(missing).tolist() == [[0, 3, 3]]


def test_a_hole_is_filled_before_the_scene_is_continued():
    image = np.full((1, 6, 6), np.nan, np.float32)
    image[0, :, 2:4] = [5, 9]
    grid = TileGrid((6, 6), (6, 6), (2, 2), (1, 1))
    values, missing = see(ArrayReader(image), next(iter(grid)), grid)
    np.testing.assert_array_equal(values[0], np.tile([5.0] * 5 + [9.0] * 5, (10, 1)))
    assert missing[0].sum() == missing[0].size - 10 * 2
