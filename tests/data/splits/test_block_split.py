from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_cdt
from split_examples import Placed, painted, unchanged

from srlab.data.pairing.pairs import Pairing
from srlab.data.places.cropping import Cropping
from srlab.data.places.crops import RandomCrops
from srlab.data.places.regions import Region
from srlab.data.splits import Blocks
from srlab.io import open_reader
from srlab.io.array.memory import ArrayReader
from srlab.mistakes import UnfitFile

SENTINEL2 = "satellite/s2_ftw_8band_10m_uint16_utm33.tif"


def blocks(size, gap, *, fraction=0.2, seed=0):
    return Blocks(size=size, gap=gap, fraction=fraction, seed=seed)


@settings(deadline=None)
@given(
    shape=st.lists(st.integers(4, 24), min_size=2, max_size=3).map(tuple)
    | st.tuples(*[st.integers(2, 9)] * 4),
    size=st.integers(2, 9),
    gap=st.integers(0, 3),
    fraction=st.floats(0.01, 0.6),
    seed=st.integers(0, 9),
)
def test_no_pixel_of_training_is_within_the_gap_of_one_held_out(shape, size, gap, fraction, seed):
    """All others train: the distance is measured by scipy, pixel by pixel."""
    whole = Region.whole(ArrayReader(np.zeros((1, *shape))))
    try:
        training, held = blocks(size, gap, fraction=fraction, seed=seed)([whole])
    except ValueError as error:
        nothing_left = gap > 0 and "leaves nothing to train on" in str(error)
        assert max(shape) <= size or nothing_left
        return
    trained, validated = painted(training, shape), painted(held, shape)
    assert validated.max() == 1
    distance = distance_transform_cdt(validated == 0, "chessboard")
    np.testing.assert_array_equal(trained, distance > gap)
    count = np.prod([-(-side // size) for side in shape])
    assert len(held) == min(max(round(count * fraction), 1), count - 1)


@settings(deadline=None, max_examples=30)
@given(
    shape=st.tuples(st.integers(8, 30), st.integers(8, 30)),
    gap=st.integers(0, 3),
    step=st.sampled_from([1, 2, 3]),
    seed=st.integers(0, 9),
)
def test_crops_are_drawn_from_every_place_that_keeps_the_gap_and_no_other(shape, gap, step, seed):
    whole = Region.whole(ArrayReader(np.arange(np.prod(shape), dtype=float).reshape(1, *shape)))
    training, held = blocks(7, gap, seed=seed)([whole])

    class Pairs(Pairing):
        step = property(lambda self: (shape_step, shape_step))

    shape_step, side = step, 2 * step
    distance = distance_transform_cdt(painted(held, shape) == 0, "chessboard")
    starts = product(*(range(0, own - side + 1, step) for own in shape))
    wanted = {
        (row, column)
        for row, column in starts
        if (distance[row : row + side, column : column + side] > gap).all()
    }
    pairing = Pairs(unchanged, (step, step), seed=0)
    try:
        crops = RandomCrops(training, pairing, Cropping(crop_size=side))
    except UnfitFile:
        assert not wanted
        return
    for sample in crops.scan_pairs():
        assert (distance.ravel()[sample["hr"].numpy().astype(int)] > gap).all()
    found = [divmod(int(crops[position]["hr"].min()), shape[1]) for position in range(1500)]
    assert set(found) <= wanted
    counts = np.array([found.count(place) for place in wanted])
    if len(wanted) <= 100:  # each is then expected 15 times at least: none is likely to be missed
        assert counts.all()
    # every place is equally likely: the statistic has the mean N - 1 and the variance 2 (N - 1)
    expected = len(found) / len(wanted)
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    freedom = len(wanted) - 1
    assert chi_squared < freedom + 6 * np.sqrt(2 * freedom) + 12


def test_a_real_scene_is_trained_up_to_the_gap(shared_data):
    reader = open_reader(shared_data(SENTINEL2), bands=[1])
    training, held = blocks(64, 16, fraction=0.1)([Region.whole(reader)])
    crops = RandomCrops(training, Pairing(unchanged, (1, 1), 0), Cropping(crop_size=32))
    seen = np.zeros(reader.description.shape, bool)
    for region in crops.regions:
        seen[region.window] = True
    distance = distance_transform_cdt(painted(held, seen.shape) == 0, "chessboard")
    assert distance[seen].min() == 17
    assert seen.sum() > 0.95 * (distance > 16).sum()
    scanned = np.concatenate([window.ravel() for window in crops.scan()])
    whole = reader.read(tuple(slice(0, side) for side in seen.shape))[0]
    np.testing.assert_array_equal(np.sort(scanned), np.sort(whole[distance > 16]))


@pytest.mark.parametrize(("gap", "seed"), [(0, 0), (5, 1)])
def test_blocks_of_files_of_one_ground_agree(gap, seed):
    """Files that overlap, that lie side by side or less than a gap apart; one is there twice.

    The pixels' numbers are their places on the ground. So the gap is kept across files as well.
    """
    readers = [Placed((60, 50)), Placed((40, 40), 30, 20), Placed((60, 30), 0, 50)]
    readers += [Placed((60, 50)), Placed((60, 30), 0, 83)]
    training, held = blocks(12, gap, seed=seed)([Region.whole(reader) for reader in readers])
    trained, validated = (
        np.concatenate([region.read().ravel() for region in part]) for part in (training, held)
    )
    rows, columns = validated % 1000, validated // 1000
    assert len({region.reader for region in held}) > 2
    for place in np.unique(trained):
        distance = np.maximum(abs(rows - place % 1000), abs(columns - place // 1000))
        assert distance.min() > gap


def test_files_of_one_ground_on_different_grids_are_one_block(caplog):
    readers = [Placed((60, 60)), Placed((40, 40), 20, 20, turn=30), Placed((60, 60), 0, 500)]
    for seed in range(6):
        training, held = blocks(20, 4, seed=seed)([Region.whole(reader) for reader in readers])
        sides = [{part.reader for part in side} for side in (training, held)]
        assert len(sides[0] & {*readers[:2]}) in (0, 2)
        assert not sides[0] & sides[1] & {*readers[:2]}
    assert "2 files of one ground have different grids, such as 0,0 and 20,20" in caplog.text


def test_too_few_blocks_and_a_wrong_gap_are_refused():
    whole = Region.whole(ArrayReader(np.zeros((1, 20, 20))))
    with pytest.raises(ValueError, match=r"make one block, and two blocks are .*split.size=32"):
        blocks(32, 4)([whole])
    turned = [Region.whole(Placed((20, 20), turn=turn)) for turn in (0, 1)]
    with pytest.raises(ValueError, match=r"the files cover the same ground on different grids and"):
        blocks(8, 0)(turned)
    with pytest.raises(ValueError, match=r"split.gap=19 around blocks of .* leaves nothing to"):
        blocks(10, 19)([whole])
    with pytest.raises(
        ValueError, match=r"split.gap is \[-1, -1\] for 2 spatial axes; give one integer"
    ):
        blocks(8, -1)([whole])
