import pytest
import torch
from scipy.optimize import linprog
from test_projection import matrix_of

from srlab.degradations import Bicubic, Bounds, GaussianMtf, Projection, bounded
from srlab.nn.resample import enlarge

BYTES = Bounds(torch.zeros(1), torch.tensor([255.0]), torch.ones(1))


def seen_of_stripes(degradation, side=24, *, low=0.0):
    """The LR of black and white stripes in a corner, which the enlarged LR has to ring for."""
    hr = torch.full((1, 1, *(side * factor for factor in degradation.scale)), max(low, 4.0))
    hr[..., :20, 3:20:7] = 250.0
    hr[..., :20, 5:20:7] = low
    return degradation(hr)


@pytest.mark.parametrize("degradation", [GaussianMtf(scale=2, mtf=0.3), Bicubic(scale=3)])
def test_bytes_agree_where_clipped_ones_did_not(degradation):
    lr, project = seen_of_stripes(degradation), Projection(degradation)
    projected = project(enlarge(lr, degradation.scale), lr)
    held = bounded(project, projected, BYTES, reach=(10, 10))
    errors = []
    for image in (projected, held):
        stored = image.round().clamp(0, 255)
        errors.append(float((degradation(stored) - lr).abs().max()))
    assert errors[0] > 2
    assert errors[1] < 1


def test_only_the_surroundings_of_what_is_beyond_change():
    degradation = GaussianMtf(scale=2, mtf=0.3)
    black, grey = (seen_of_stripes(degradation, 60, low=low) for low in (0.0, 150.0))
    lr, project = torch.cat([black, grey / 2 + 60]), Projection(degradation)
    projected = project(enlarge(lr, 2), lr)
    assert BYTES.beyond(projected).flatten(1).any(dim=1).tolist() == [True, False]
    held = bounded(project, projected, BYTES, reach=(10, 10))
    assert torch.equal(held[1], projected[1])
    assert torch.equal(held[..., 80:, :], projected[..., 80:, :])


def test_measurement_that_no_image_within_bounds_has_is_left_as_it_was():
    degradation = GaussianMtf(scale=2, mtf=0.1)
    lr, project = torch.zeros(1, 1, 6, 6), Projection(degradation)
    lr[..., 3, 3] = 255.0
    sr = enlarge(lr, 2)
    matrix = matrix_of(degradation, sr.double())
    target = lr.flatten().numpy()
    possible = linprog(0 * matrix[0], A_eq=matrix, b_eq=target, bounds=(0, 255)).success
    assert not possible
    projected = project(sr, lr)
    held = bounded(project, projected, BYTES, reach=(10, 10))
    errors = [float((degradation(BYTES.hold(x)) - lr).abs().max()) for x in (held, projected)]
    assert errors[0] <= errors[1]
