import numpy as np
import pytest
import torch
from test_linear import linear_ones

from srlab.degradations import (
    Bicubic,
    BlurKernel,
    GaussianMtf,
    KSpace,
    Noise,
    Projection,
)
from srlab.mistakes import Mistake


def images(degradation, batch, side, dtype=torch.float64):
    """Random SR and LR that have nothing to do with each other."""
    random = torch.Generator().manual_seed(0)
    lr_size = (side, side + 2, side + 1)[-len(degradation.scale) :]
    hr_size = [size * factor for size, factor in zip(lr_size, degradation.scale, strict=True)]
    sr = torch.randn(*batch, *hr_size, dtype=torch.float64, generator=random).to(dtype)
    return sr, torch.randn(*batch, *lr_size, dtype=torch.float64, generator=random).to(dtype)


def matrix_of(degradation, sr):
    """The degradation of one image as a matrix, from its answers to single pixels."""
    pixels = torch.eye(sr[0].numel(), dtype=torch.float64).view(-1, *sr.shape[1:])
    return degradation(pixels, generator=torch.Generator()).flatten(1).T.numpy()


@pytest.mark.parametrize(
    ("degradation", "batch"), linear_ones(), ids=lambda value: type(value).__name__
)
def test_projection_is_the_one_of_the_dense_matrix(degradation, batch):
    sr, lr = images(degradation, batch, side=3)
    matrix = matrix_of(degradation, sr)
    inverse = np.linalg.pinv(matrix, rcond=1e-8)
    project = Projection(degradation, tolerance=1e-12)
    projected, measured = project(sr, lr), project.measured(lr)
    for number in range(len(sr)):
        x, y = sr[number].flatten().numpy(), lr[number].flatten().numpy()
        expected = x + inverse @ (y - matrix @ x)
        np.testing.assert_allclose(projected[number].flatten(), expected, rtol=0, atol=1e-8)
        np.testing.assert_allclose(measured[number].flatten(), inverse @ y, rtol=0, atol=1e-8)


def test_images_of_a_batch_do_not_share_steps():
    degradation = GaussianMtf(scale=2, mtf=0.3)
    sr, lr = images(degradation, (2, 3), side=9, dtype=torch.float32)
    lr[1] = degradation(sr[1:])[0]  # agrees from the start
    project = Projection(degradation)
    both = project(sr, lr)
    torch.testing.assert_close(both[:1], project(sr[:1], lr[:1]))
    torch.testing.assert_close(both[1], sr[1], rtol=0, atol=0)
    assert float((degradation(both) - lr).abs().max()) <= 1e-5 * float(lr.abs().max())


def test_gradients_are_those_of_finite_differences():
    degradation = GaussianMtf(scale=(2, 1), mtf=0.3)
    sr, lr = images(degradation, (1, 2), side=4)
    project = Projection(degradation, tolerance=1e-12)
    inputs = sr.requires_grad_(), lr.requires_grad_()
    assert torch.autograd.gradcheck(project, inputs)


def test_pattern_that_a_blur_removes_is_left_alone():
    """A mean of two LR pixels removes what alternates from one to the next."""
    degradation = BlurKernel(scale=(2, 1), kernel=[[1.0]] * 4)
    sr, lr = images(degradation, (1, 1), side=8, dtype=torch.float32)
    matrix = matrix_of(degradation, sr)
    inverse = np.linalg.pinv(matrix, rcond=np.sqrt(1e-6))
    x, y = sr.flatten().double().numpy(), lr.flatten().double().numpy()
    expected = x + inverse @ (y - matrix @ x)
    projected = Projection(degradation)(sr, lr)
    np.testing.assert_allclose(projected.flatten(), expected, rtol=0, atol=1e-4)


def test_what_rounds_or_adds_noise_is_refused():
    for degradation in (Bicubic(scale=2, integers=[0, 255]), Noise(sigma=1.0)):
        with pytest.raises(Mistake, match="is not linear, and no output can be projected"):
            Projection(degradation)


def test_network_trains_through_it_in_half_precision_and_inference_mode():
    degradation = KSpace(scale=(2, 1, 1), spatial_dims=3)
    sr, lr = images(degradation, (1, 1), side=4, dtype=torch.bfloat16)
    project = Projection(degradation)
    with torch.autocast("cpu", torch.bfloat16):
        trained = project(sr.requires_grad_(), lr)
    assert trained.dtype == torch.float32
    trained.square().sum().backward()
    assert sr.grad is not None
    with torch.inference_mode():
        torch.testing.assert_close(project(sr.clone(), lr.clone()), trained.detach())
