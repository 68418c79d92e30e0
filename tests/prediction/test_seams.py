"""Whether tiles have seams, and how much they change."""

import numpy as np
import pytest
import torch
from prediction_examples import Echo, SeesEverything, resolver, scene

from srlab.io.array import ArrayReader
from srlab.prediction import plan_tiles, tiling_error
from srlab.prediction.grid.seams import seams


def told(model, tile, overlap, *, join="auto"):
    reader = ArrayReader(scene(1, 60, 60, top=1.0))
    return seams([model], reader, plan_tiles(model, reader, tile=tile, overlap=overlap, join=join))


def test_no_seam_is_told_of_where_none_can_be():
    model = resolver(Echo({5: 0.5}, upwards={5: 0.5}), top=1)
    assert told(model, 60, 0) == "no seams (no image is divided)"
    for overlap, join in [(5, "crop"), (10, "blend")]:
        none = "no seams (tiles overlap by all that the network sees)"
        assert told(model, 30, overlap, join=join) == none
    assert told(resolver(SeesEverything((2, 2))), 60, 0) == "no seams (no image is divided)"


def test_the_largest_change_by_a_seam_is_told_where_tiles_see_too_little():
    model = resolver(Echo({5: 0.5}, upwards={}), top=1)
    # The sample is the middle of the scene, cut in its middle; its columns echo half of the fifth.
    sample = scene(1, 60, 60, top=1.0)[0, 14:46, 14:46]
    largest = np.abs(sample[:, 18:21]).max() / 2
    expected = f"seams change a sample by {largest:.2g} at most (0.001 is tolerated)"
    assert told(model, 20, 2) == told(model, 20, 4, join="blend") == expected


@pytest.mark.parametrize("overlap", [0, 3])
def test_tiling_error_of_a_mean_is_that_of_the_half(overlap):
    sample = scene(1, 12, 20)[0].astype(float)
    halves = sample[: 6 + overlap], sample[:, : 10 + overlap]
    rows, columns = (abs(half.mean() - sample.mean()) for half in halves)
    model, image = resolver(SeesEverything((2, 2))), torch.from_numpy(sample).float()[None, None]
    assert tiling_error(model, overlap, image) == pytest.approx(max(rows, columns), abs=1e-3)
    assert tiling_error(model, overlap, image, axes=[0]) == pytest.approx(rows, abs=1e-3)
    assert tiling_error(model, overlap, image, axes=[1]) == pytest.approx(columns, abs=1e-3)


def test_tiling_error_is_gone_from_the_receptive_field_on():
    model = resolver(Echo({5: 0.5}, upwards={5: 0.5}), top=1)
    sample = torch.from_numpy(scene(1, 24, 30, top=1.0))[None]
    assert tiling_error(model, 5, sample) == 0
    # The row before the cut misses its echo, half of the row 5 further on.
    rows, columns = sample[0, 0, 12:17].max() / 2, sample[0, 0, :, 15:20].max() / 2
    assert tiling_error(model, 0, sample) == pytest.approx(float(max(rows, columns)), abs=1e-6)


def test_tiling_error_of_what_cannot_be_cut_is_zero():
    assert tiling_error(resolver(SeesEverything((2, 2))), 1, torch.ones(1, 1, 1, 1)) == 0
