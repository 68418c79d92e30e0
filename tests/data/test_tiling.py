from itertools import product

import numpy as np
import pytest

from srlab.data.places.regions import Region, views
from srlab.data.places.valid_pixels import ValidPlaces
from srlab.io import Axis, Channel, Description
from srlab.mistakes import Mistake


class Endless:
    """A file that claims 10¹⁸ pixels and yields none."""

    description = Description((10**9, 10**9), (Axis("y"), Axis("x")), (Channel("1"),))

    def __str__(self):
        return "endless.vrt"

    def read(self, window):
        return np.full((1, *(span.stop - span.start for span in window)), np.nan, np.float32)

    def close(self):
        pass


def test_parts_cover_a_region_in_scan_order():
    region = Region(Endless(), (slice(3, 13), slice(5, 12)))
    tiling = region.tiled((4, 3))
    starts = [(part.window[0].start, part.window[1].start) for part in tiling]
    assert starts == list(product([3, 7, 11], [5, 8, 11]))
    assert [part.shape for part in tiling][-1] == (2, 1)
    assert len(tiling) == 9
    with pytest.raises(IndexError):
        tiling[9]


def test_a_file_of_endless_claims_takes_no_endless_memory():
    whole = Region.whole(Endless())
    chosen = views([whole], size=(256, 256), count=16)
    assert len(chosen) == 16
    assert chosen[-1].window[0].start > 9 * 10**8
    with pytest.raises(Mistake, match=r"endless\.vrt .* at most 1000000 are scored"):
        views([whole], size=(256, 256), count=None)


def test_the_search_for_places_in_it_ends(monkeypatch):
    monkeypatch.setattr("srlab.data.places.valid_pixels.MOST_EMPTY", 3)
    monkeypatch.setattr("srlab.data.places.valid_pixels.BLOCKS", 3)
    places = ValidPlaces([Region.whole(Endless())], crop=(8, 8), step=(1, 1), least=1)
    assert places.draw(0, np.random.default_rng(0)) is None
