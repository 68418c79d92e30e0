import re

import numpy as np
import pytest
import torch

from srlab.nn.edges import check_edges, continued, sources

MODES = {"replicate": "edge", "reflect": "reflect"}


@pytest.mark.parametrize("edges", MODES)
def test_an_axis_is_continued_as_numpy_pads_it(edges):
    for size in [1, 2, 5]:
        for before, after in [(0, 0), (3, 0), (4, 4), (11, 17)]:
            values = np.arange(size)
            expected = np.pad(values, (before, after), MODES[edges])
            places = sources(slice(-before, size + after), size, edges)
            np.testing.assert_array_equal(values[places], expected)


@pytest.mark.parametrize("edges", MODES)
def test_an_image_is_continued_along_each_axis(edges):
    image = torch.rand(2, 3, 4, 5, 6)
    margin = (0, 2, 9)
    expected = np.pad(image.numpy(), [(0, 0), (0, 0), *((m, m) for m in margin)], MODES[edges])
    np.testing.assert_array_equal(continued(image, margin, edges).numpy(), expected)


def test_unknown_edges_are_refused():
    message = "edges is 'wrap'; it must be one of replicate, reflect, zeros."
    with pytest.raises(ValueError, match=re.escape(message)):
        check_edges("wrap")
