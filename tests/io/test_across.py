import pickle
from dataclasses import replace

import numpy as np
import pytest

from srlab.io import Axis
from srlab.io.across import Turned, check_thickness, in_plane_last, slices_both_ways
from srlab.io.array import ArrayReader
from srlab.mistakes import Mistake

VALUES = np.random.default_rng(0).random((2, 3, 5, 4, 6), np.float32)


def described(*spacings):
    reader = ArrayReader(np.zeros((1, 3, 5, 4)))
    axes = [Axis(name, spacing, "mm") for name, spacing in zip("zyx", spacings, strict=True)]
    return replace(reader.description, axes=tuple(axes))


def test_windows_of_a_turned_file_are_those_of_the_transposed_array():
    reader = pickle.loads(pickle.dumps(Turned(ArrayReader(VALUES), (0, 2, 3, 1))))
    assert [axis.name for axis in reader.description.axes] == ["t", "y", "x", "z"]
    assert reader.description.shape == (3, 4, 6, 5)
    window = (slice(1, 3), slice(0, 2), slice(4, 5), slice(2, 5))
    expected = np.einsum("ctzyx->ctyxz", VALUES)[:, 1:3, 0:2, 4:5, 2:5]
    np.testing.assert_array_equal(reader.read(window), expected)


def test_turning_back_gives_the_file_again():
    order = (0, 3, 1, 2)
    again = Turned(Turned(ArrayReader(VALUES), order), np.argsort(order).tolist())
    assert again.description == ArrayReader(VALUES).description
    whole = tuple(slice(0, size) for size in again.description.shape)
    np.testing.assert_array_equal(again.read(whole), VALUES)


def test_planes_across_slices_have_the_thick_axis_first():
    description = ArrayReader(VALUES).description
    names = [axis.name for axis in description.axes]

    def spelt(order):
        return "".join(names[axis] for axis in order)

    assert spelt(in_plane_last("a", description, "y")) == "tyzx"
    assert [*map(spelt, slices_both_ways("a", description, "y"))] == ["tzyx", "txyz"]


@pytest.mark.parametrize("across", ["t", "depth"])
def test_axis_that_is_none_of_a_volume_is_refused(across):
    with pytest.raises(Mistake, match=rf"a.nii has the axes t, z, y, x; .* is {across}\."):
        in_plane_last("a.nii", ArrayReader(VALUES).description, across)


def test_slices_must_be_as_far_apart_as_the_scale_says():
    fits = {"advice": "set scale=[4,1]"}
    check_thickness("a.nii", described(3.9, 0.94, 0.94), "z", 4, **fits)
    check_thickness("a.nii", described(0.5, 2.0, 0.5), "y", 4, **fits)
    check_thickness("a.nii", described(None, 1.0, 1.0), "z", 4, **fits)
    with pytest.raises(Mistake, match=r"along z are 3 times as far .* set scale=\[4,1\], or force"):
        check_thickness("a.nii", described(3.0, 1.0, 1.0), "z", 4, **fits)
    check_thickness("a.nii", described(3.0, 1.0, 1.0), "z", 4, **fits, force=["pixel_size"])
