import re

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from srlab.generators import Interpolation

MODES = {
    2: {"nearest": "nearest", "linear": "bilinear"},
    3: {"nearest": "nearest", "linear": "trilinear"},
}
SCALES = [2, 3, 4, (1, 3), (2, 2, 2), (1, 4, 4), (3, 1, 1)]


@pytest.mark.parametrize("channels", [1, 3, 13])
@pytest.mark.parametrize("kind", ["nearest", "linear"])
@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_nearest_and_linear_are_torchs_up_to_the_border(scale, kind, channels):
    factors = (scale, scale) if isinstance(scale, int) else scale
    dims = len(factors)
    lr = torch.rand(2, channels, *(5, 4, 3)[:dims], dtype=torch.float64)
    sr = Interpolation(in_channels=channels, scale=scale, spatial_dims=dims, kind=kind)(lr)
    options = {"align_corners": False} if kind == "linear" else {}
    expected = F.interpolate(
        lr, scale_factor=tuple(map(float, factors)), mode=MODES[dims][kind], **options
    )
    torch.testing.assert_close(sr, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_default_is_bicubic(scale):
    lr = torch.rand(1, 1, 11, 13)
    sr = Interpolation(in_channels=1, scale=scale)(lr)[0, 0]
    image = Image.fromarray(lr[0, 0].numpy(), "F").resize((13 * scale, 11 * scale), Image.BICUBIC)
    inside = (slice(2 * scale, -2 * scale), slice(2 * scale, -2 * scale))
    torch.testing.assert_close(
        sr[inside], torch.from_numpy(np.array(image))[inside], atol=1e-6, rtol=0
    )


def test_there_is_nothing_to_train_or_store():
    baseline = Interpolation(in_channels=13, scale=[1, 2, 2], spatial_dims=3)
    assert not list(baseline.parameters())
    assert not baseline.state_dict()
    assert (baseline.in_channels, baseline.scale) == (13, (1, 2, 2))


@pytest.mark.parametrize("kind", ["bicubic", "none", None])
def test_unknown_kind_is_refused(kind):
    message = f"kind is {kind!r}; it must be one of nearest, linear, cubic."
    with pytest.raises(ValueError, match=re.escape(message)):
        Interpolation(in_channels=3, scale=2, kind=kind)
