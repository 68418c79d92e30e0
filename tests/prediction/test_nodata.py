"""Holes of a raster stay where they are, and change nothing beyond the overlap around them."""

import numpy as np
import pytest
import rasterio
from prediction_examples import resolver, srresnet

from srlab.prediction import Opened, Request, super_resolve_file

OVERLAP = 10
HOLES = {"nodata": (slice(20, 26), slice(30, 39)), "nan": (slice(50, 51), slice(8, 9))}


def written(path, pixels):
    profile = {"count": 2, "height": 70, "width": 60, "dtype": "float32", "nodata": -1}
    with rasterio.open(path, "w", driver="GTiff", **profile) as file:
        file.write(pixels)
    return path


def predicted(source, join):
    output = source.with_name(f"sr_{source.name}")
    asked = {"tile": 40, "overlap": OVERLAP, "join": join}
    request = Request(bands=[1, 2], force=["value_range", "dtype", "pixel_size"], **asked)
    model = resolver(srresnet((2, 2)))
    super_resolve_file([Opened(__file__, model)], source, output, request=request)
    with rasterio.open(output) as file:
        assert file.nodata == -1
        return file.read()


@pytest.mark.parametrize("join", ["crop", "blend"])
def test_a_hole_changes_nothing_beyond_the_overlap(tmp_path, join):
    pixels = np.random.default_rng(0).uniform(1, 250, (2, 70, 60)).astype(np.float32)
    expected = predicted(written(tmp_path / "whole.tif", pixels), join)
    hidden, near = np.zeros((70, 60), bool), np.zeros((70, 60), bool)
    for word, hole in HOLES.items():
        pixels[(slice(None), *hole)] = {"nodata": -1, "nan": np.nan}[word]
        hidden[hole] = True
        near[tuple(slice(max(s.start - OVERLAP, 0), s.stop + OVERLAP) for s in hole)] = True
    got = predicted(written(tmp_path / "holed.tif", pixels), join)
    finer, far = (np.kron(mask, np.ones((2, 2))) > 0 for mask in (hidden, ~near))
    assert (got[:, finer] == -1).all()
    assert (got[:, ~finer] != -1).all()
    np.testing.assert_allclose(got[:, far], expected[:, far], atol=2e-3)
    assert np.abs(got - expected)[:, ~finer].max() > 0.1
