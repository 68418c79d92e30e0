"""An image and its guide as one image, against torch and against each other."""

import pickle

import numpy as np
import pytest
import torch

from srlab.io import open_reader
from srlab.io.array import ArrayReader
from srlab.io.guided import GuidedReader, depth_to_space, guided, space_to_depth
from srlab.mistakes import Mistake

RNG = np.random.default_rng(0)


def noise(*shape):
    return RNG.random(shape, dtype=np.float32)


def made():
    image = ArrayReader(noise(2, 5, 4), names=["B05", "B11"])
    return GuidedReader(image, ArrayReader(noise(2, 10, 8), names=["B02", "B03"]), ratio=(2, 2))


def test_space_to_depth_is_torchs_pixel_unshuffle():
    image = noise(3, 12, 9)
    expected = torch.nn.functional.pixel_unshuffle(torch.from_numpy(image), 3).numpy()
    np.testing.assert_array_equal(space_to_depth(image, (3, 3)), expected)


@pytest.mark.parametrize("ratio", [(2, 3), (1, 4), (2, 1, 3)])
def test_depth_to_space_undoes_space_to_depth(ratio):
    image = noise(2, *(4 * factor for factor in ratio))
    packed = space_to_depth(image, ratio)
    assert packed.shape == (2 * np.prod(ratio), *[4] * len(ratio))
    np.testing.assert_array_equal(depth_to_space(packed, ratio), image)


def test_window_is_that_part_of_the_whole_and_channels_name_their_pixels():
    reader = made()
    assert reader.description.names[:4] == ("B05", "B11", "B02[0,0]", "B02[0,1]")
    whole = reader.read((slice(0, 5), slice(0, 4)))
    assert whole.shape == (len(reader.description.names), 5, 4) == (10, 5, 4)
    part = reader.read((slice(1, 4), slice(2, 3)))
    np.testing.assert_array_equal(part, whole[:, 1:4, 2:3])
    np.testing.assert_array_equal(
        part, pickle.loads(pickle.dumps(reader)).read((slice(1, 4), slice(2, 3)))
    )
    image, guide = reader.layout.parted(whole)
    np.testing.assert_array_equal(guide[:, 1::2, ::2], whole[[4, 8]])
    np.testing.assert_array_equal(image, whole[:2])


def test_guide_of_another_size_is_refused():
    message = r"has \(10, 9\) pixels in B02 .* at guide_ratio \(2, 2\) a guide has \(10, 8\)"
    with pytest.raises(Mistake, match=message):
        GuidedReader(
            ArrayReader(noise(1, 5, 4)), ArrayReader(noise(1, 10, 9), names=["B02"]), ratio=(2, 2)
        )


def test_bands_of_a_real_product_lie_on_their_own_grids(shared_data):
    (product,) = shared_data("satellite/safe_layout_noise").glob("*.SAFE")
    image, guide = (open_reader(product, bands=bands) for bands in (["B05", "B8A"], ["B02"]))
    reader = guided(image, guide, ratio=(2, 2))
    assert reader.description.pixel_size == (20.0, 20.0)
    assert reader.description.names[1:3] == ("B8A", "B02[0,0]")
    assert reader.read((slice(0, 64), slice(0, 64))).shape == (6, 64, 64)
