import re

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from srlab.generators import Interpolation


@pytest.mark.parametrize(
    ("kind", "scale", "mode"),
    [
        ("nearest", (1, 3), "nearest"),
        ("linear", (4, 4), "bilinear"),
        ("nearest", (2, 2, 2), "nearest"),
        ("linear", (1, 4, 4), "trilinear"),
    ],
)
def test_nearest_and_linear_are_torchs_up_to_the_border(kind, scale, mode):
    dims = len(scale)
    lr = torch.rand(2, 3, *(5, 4, 3)[:dims], dtype=torch.float64)
    sr = Interpolation(in_channels=3, scale=scale, spatial_dims=dims, kind=kind)(lr)
    options = {} if kind == "nearest" else {"align_corners": False}
    expected = F.interpolate(lr, scale_factor=tuple(map(float, scale)), mode=mode, **options)
    torch.testing.assert_close(sr, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("scale", [2, 3])
def test_default_is_bicubic(scale):
    lr = torch.rand(1, 1, 11, 13)
    sr = Interpolation(in_channels=1, scale=scale)(lr)[0, 0]
    image = Image.fromarray(lr[0, 0].numpy(), "F").resize((13 * scale, 11 * scale), Image.BICUBIC)
    inside = (slice(2 * scale, -2 * scale), slice(2 * scale, -2 * scale))
    expected = torch.from_numpy(np.array(image))[inside]
    torch.testing.assert_close(sr[inside], expected, atol=1e-6, rtol=0)


def test_there_is_nothing_to_train_or_store():
    baseline = Interpolation(in_channels=13, scale=[1, 2, 2], spatial_dims=3)
    assert not list(baseline.parameters())
    assert not baseline.state_dict()
    assert (baseline.in_channels, baseline.out_channels) == (13, 13)
    assert (baseline.scale, baseline.multiple_of) == ((1, 2, 2), (1, 1, 1))
    assert baseline.noise_channels is None


def test_unknown_kind_is_refused():
    message = "kind is 'bicubic'; it must be one of nearest, linear, cubic."
    with pytest.raises(ValueError, match=re.escape(message)):
        Interpolation(in_channels=3, scale=2, kind="bicubic")
