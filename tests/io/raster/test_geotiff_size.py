"""A compressed file holds each block once, and hardly more than the pixels where nothing helps."""

import random

import numpy as np
import pytest
import rasterio
from rasters import MADE, source

from srlab.io import create_writer
from srlab.io.raster.writer import COMPRESSIONS

SIZES = [(1024, 1024), (513, 1541), (700, 40), (3, 5000)]
"""Whole blocks, and blocks that the image fills in part."""


def written(folder, pixels, compression):
    """Write pixels in blocks of odd sizes and in any order; return the file."""
    path = folder / f"{compression}.tif"
    shape = pixels.shape[1:]
    described = source(folder / "in.tif", count=len(pixels), shape=shape, dtype=pixels.dtype.name)
    writer = create_writer(path, described, provenance=MADE, options={"compression": compression})
    windows = [
        (slice(top, min(top + 301, shape[0])), slice(left, min(left + 433, shape[1])))
        for top in range(0, shape[0], 301)
        for left in range(0, shape[1], 433)
    ]
    random.Random(0).shuffle(windows)
    writer.prepare()
    for window in windows:
        writer.write(window, pixels[(slice(None), *window)].astype(np.float32))
    writer.finish()
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(), pixels)
    return path


def bytes_of_blocks(path):
    """The bytes of all blocks, as the file's own index has them."""
    with rasterio.open(path) as file:
        bands = [1] if file.interleaving.value == "PIXEL" else file.indexes
        tags = [
            file.get_tag_item(f"BLOCK_SIZE_{column}_{row}", "TIFF", bidx=band)
            for band in bands
            for (row, column), _ in file.block_windows(band)
        ]
    return sum(map(int, tags))


@pytest.mark.parametrize("compression", sorted({*COMPRESSIONS} - {"none"}))
def test_noise_takes_little_more_than_its_pixels(tmp_path, compression):
    for shape in SIZES:
        pixels = np.random.default_rng(0).integers(0, 2**16, (2, *shape), np.uint16)
        path = written(tmp_path, pixels, compression)
        size = path.stat().st_size
        assert size <= 1.01 * pixels.nbytes + 8192  # the header, and the filling of small files
        assert bytes_of_blocks(path) >= 0.98 * size - 8192
        path.unlink()


@pytest.mark.parametrize("bands", [1, 3, 6])
def test_no_bytes_of_a_scene_are_dead(tmp_path, bands):
    """Smooth, with noise in its lowest bits, as scenes are."""
    slopes = np.add.outer(np.arange(1300), np.arange(900)) % 3000
    noise = np.random.default_rng(0).integers(0, 64, (bands, 1300, 900))
    path = written(tmp_path, (slopes + noise).astype(np.uint16), None)
    assert bytes_of_blocks(path) >= 0.98 * path.stat().st_size
    assert path.stat().st_size < 0.8 * 2 * noise.size
