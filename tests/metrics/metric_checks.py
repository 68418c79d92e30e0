"""Helpers that the tests of single metrics share."""

import torch

from srlab.metrics import ScoringContext


def random(*size, seed=0, dtype=torch.float32):
    return torch.rand(size, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def noise(*size, seed=0, dtype=torch.float32):
    return torch.randn(size, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def scoring(**changed):
    values = {
        "lr": torch.zeros(1),
        "valid": None,
        "scale": (1, 1),
        "data_range": 1.0,
        "channel_names": (),
        "axes": (),
        "degrade": lambda hr: hr,
    }
    return ScoringContext(**{**values, **changed})


def assert_hidden_image_is_nan_alone(metric, *size):
    """The first image has no valid pixel, and the other is whole."""
    sr, hr = 0.1 + random(*size), 0.1 + random(*size, seed=1)
    valid = torch.ones(size[0], 1, *size[2:], dtype=torch.bool)
    valid[0] = False
    result = metric(sr, torch.where(valid, hr, torch.nan), scoring(valid=valid))
    assert result.isnan().tolist() == [True, False]


def assert_broken_pixel_is_not_left_out(metric, *size):
    """A NaN in SR at a valid pixel spoils the score of its image alone."""
    sr, hr = random(*size), random(*size, seed=1)
    sr[1, -1, ..., 1] = torch.nan
    for valid in (None, torch.ones(2, 1, *size[2:], dtype=torch.bool)):
        assert metric(sr, hr, scoring(valid=valid)).isnan().tolist() == [False, True]
