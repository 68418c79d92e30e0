import pytest
import torch

from srlab.degradations import (
    Area,
    Bicubic,
    BlurKernel,
    Chain,
    Exposure,
    GaussianMtf,
    KSpace,
    Microscope,
    Noise,
    OpticalSections,
    ThickSlices,
    adjoint,
)
from srlab.mistakes import Mistake


def linear_ones():
    lopsided = torch.rand(6, 4, generator=torch.Generator().manual_seed(1)).tolist()
    return [
        (Area(scale=(3, 2)), (2, 3)),
        (Bicubic(scale=4), (2, 3)),
        (GaussianMtf(scale=(2, 3), mtf=[0.2, 0.3, 0.4]), (2, 3)),
        (GaussianMtf(scale=(1, 2, 2), mtf=0.3, spatial_dims=3), (1, 2)),
        (BlurKernel(scale=2, kernel=lopsided), (2, 1)),
        (KSpace(scale=(2, 1, 3), spatial_dims=3), (1, 2)),
        (ThickSlices(scale=(3, 1, 1), profile="box", gap=0.3, spatial_dims=3), (1, 1)),
        (ThickSlices(scale=(1, 4), profile="gaussian", gap=0.0), (1, 2)),
        (
            Microscope(
                scale=(2, 3),
                pixel_size=[0.2, 0.1],
                wavelength=[450, 520, 610],
                numerical_aperture=0.5,
                refractive_index=1.0,
            ),
            (2, 3),
        ),
        (
            OpticalSections(
                scale=(1, 4),
                pixel_size=0.5,
                wavelength=[450, 610],
                numerical_aperture=0.5,
                refractive_index=1.0,
                power=1,
            ),
            (1, 2),
        ),
        (Chain(scale=4, steps=[Bicubic(scale=2), Area(scale=2)]), (1, 3)),
        (Exposure(shutter=2.5), (2, 3)),
        (Exposure(shutter=1.5, scale=(2, 1, 1)), (1, 2)),
    ]


@pytest.mark.parametrize(
    ("degradation", "images"), linear_ones(), ids=lambda value: type(value).__name__
)
def test_adjoint_moves_the_degradation_to_the_other_side(degradation, images):
    random = torch.Generator().manual_seed(0)
    lr_size = (5, 7, 6)[-len(degradation.scale) :]
    hr_size = [side * factor for side, factor in zip(lr_size, degradation.scale, strict=True)]
    hr = torch.randn(*images, *hr_size, dtype=torch.float64, generator=random)
    lr = torch.randn(*images, *lr_size, dtype=torch.float64, generator=random)
    degraded = degradation(hr, generator=random)
    assert degraded.shape == lr.shape
    left, right = (degraded * lr).sum(), (hr * adjoint(degradation, lr)).sum()
    torch.testing.assert_close(left, right, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(degradation(-3 * hr, generator=random), -3 * degraded)


def test_what_is_not_linear_has_no_adjoint():
    lr = torch.zeros(1, 3, 4, 4)
    rounded = Bicubic(scale=2, integers=[0, 255])
    noisy = Chain(scale=2, steps=[Area(scale=2), Noise(sigma=1.0)])
    for degradation in (rounded, noisy):
        with pytest.raises(Mistake, match="is not linear, so it has no adjoint"):
            adjoint(degradation, lr)
