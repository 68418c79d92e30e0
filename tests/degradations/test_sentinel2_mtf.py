import pytest
import torch

from srlab.degradations import GaussianMtf, Sentinel2Mtf
from srlab.mistakes import Mistake


def test_each_band_has_its_own_mtf_by_any_of_its_names():
    hr = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    expected = GaussianMtf(scale=2, mtf=[0.26, 0.33, 0.22])(hr)
    assert torch.equal(Sentinel2Mtf(bands=["B2", "b8a", "B11_20m"], scale=2)(hr), expected)


def test_band_of_another_sensor_is_refused():
    with pytest.raises(Mistake, match="Sentinel-2 has no MTF for band 1: name its bands"):
        Sentinel2Mtf(bands=[1], scale=2)
