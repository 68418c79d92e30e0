"""A volume of independent slices through a 3D network is what each slice is through the 2D network."""

import networks
import pytest
import torch
from networks import GENERATORS, inputs, randomised, that_take


def spread(flat, deep):
    """Fill the 3D network with the 2D weights, in the middle slice of every kernel."""
    state = deep.state_dict()
    assert state.keys() == flat.state_dict().keys()
    for name, weight in flat.state_dict().items():
        if state[name].ndim == weight.ndim:
            state[name].copy_(weight)
        else:
            state[name].zero_()
            state[name][:, :, state[name].shape[2] // 2].copy_(weight)
    return deep.double().eval()


def pair(name, scale, options):
    flat = networks.build(name, scale=(scale, scale), **options).double()
    deep = networks.build(name, scale=(1, scale, scale), spatial_dims=3, **options).double()
    return randomised(flat), spread(flat, deep)


CASES = [
    *((name, {}) for name in GENERATORS),
    *((name, {"skip": skip}) for name in GENERATORS for skip in ("linear", "cubic")),
    *(
        (name, {"upsampler": kind})
        for name in that_take("upsampler")
        for kind in ("shuffle", "nearest", "transposed")
    ),
]


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_3d_network_gives_the_2d_result_slice_by_slice(name, options, scale):
    flat, deep = pair(name, scale, options)
    slices = 1 if name == "rcab" else 3  # its attention averages over all slices
    lr, *noise = inputs(flat, 5, 4, batch=2 * slices, dtype=torch.float64)
    noise = [vector[:2].repeat_interleave(slices, dim=0) for vector in noise]
    with torch.no_grad():
        expected = flat(lr, *noise)
        volumes = lr.unflatten(0, (2, slices)).movedim(1, 2)
        sr = deep(volumes, *(vector[::slices] for vector in noise))
    torch.testing.assert_close(sr.movedim(2, 1).flatten(0, 1), expected, atol=1e-10, rtol=1e-10)
    assert expected.std() > 0.01


def test_attention_averages_over_the_slices_of_a_volume():
    flat, deep = pair("rcab", 2, {})
    (lr,) = inputs(flat, 5, 4, dtype=torch.float64)
    with torch.no_grad():
        alike = deep(lr.unsqueeze(2).expand(-1, -1, 3, -1, -1))
        unlike = deep(torch.stack((lr, lr, 5 * lr), dim=2))
    torch.testing.assert_close(
        alike, flat(lr).detach().unsqueeze(2).expand_as(alike), atol=1e-10, rtol=1e-10
    )
    assert (unlike[:, :, 0] - alike[:, :, 0]).abs().max() > 1e-3
