"""A volume of independent slices through a 3D network is what each slice is through the 2D one."""

import networks
import pytest
import torch
from networks import GENERATORS, close, inputs, randomised


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
    *((name, 4, {"skip": "cubic"}) for name in GENERATORS),
    ("srresnet", 2, {"skip": "linear", "upsampler": "shuffle"}),
    ("srresnet", 3, {"upsampler": "transposed"}),
    ("srresnet", 2, {"upsampler": "nearest"}),
]


@pytest.mark.parametrize(("name", "scale", "options"), CASES, ids=str)
def test_3d_network_gives_the_2d_result_slice_by_slice(name, scale, options):
    flat, deep = pair(name, scale, options)
    slices = 1 if name == "rcab" else 3  # its attention averages over all slices
    lr, *noise = inputs(flat, 5, 4, batch=2 * slices, dtype=torch.float64)
    noise = [vector[:2].repeat_interleave(slices, dim=0) for vector in noise]
    with torch.no_grad():
        expected = flat(lr, *noise)
        volumes = lr.unflatten(0, (2, slices)).movedim(1, 2)
        sr = deep(volumes, *(vector[::slices] for vector in noise))
    close(sr.movedim(2, 1).flatten(0, 1), expected)
    assert expected.std() > 0.01


def test_attention_averages_over_the_slices_of_a_volume():
    flat, deep = pair("rcab", 2, {})
    (lr,) = inputs(flat, 5, 4, dtype=torch.float64)
    with torch.no_grad():
        alike = deep(lr.unsqueeze(2).expand(-1, -1, 3, -1, -1))
        unlike = deep(torch.stack((lr, lr, 5 * lr), dim=2))
        close(alike, flat(lr).unsqueeze(2).expand_as(alike))
    assert (unlike[:, :, 0] - alike[:, :, 0]).abs().max() > 1e-3
