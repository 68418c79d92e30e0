import pytest
import torch
from torch import nn

from srlab.nn.activation import PReLU

shapes = pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 2, 3, 4)], ids=["2d", "3d"])
slopes = pytest.mark.parametrize("count", [1, 3], ids=["one slope", "a slope a channel"])


def pair(count, dtype):
    """Ours and torch's, with the same slopes, of which one is negative and one above 1."""
    ours, torchs = PReLU(count).to(dtype), nn.PReLU(count).to(dtype)
    for module in (ours, torchs):
        module.load_state_dict({"weight": torch.tensor([0.3, -0.2, 1.5][:count], dtype=dtype)})
    return ours, torchs


def inputs(shape, dtype):
    generator = torch.Generator().manual_seed(0)
    features, gradient = (
        torch.randn(shape, dtype=torch.float64, generator=generator).to(dtype) for _ in range(2)
    )
    features.flatten()[:3] = torch.tensor([0.0, -0.0, 1e4])
    return features, gradient


def passes(module, features, gradient):
    features = features.clone().requires_grad_()
    result = module(features)
    return result.detach(), *torch.autograd.grad(result, (features, module.weight), gradient)


@shapes
@slopes
def test_equals_torchs_forward_and_backward(shape, count):
    for dtype in [torch.float32, torch.float64]:
        ours, torchs = pair(count, dtype)
        features, gradient = inputs(shape, dtype)
        channels_last = {4: torch.channels_last, 5: torch.channels_last_3d}[len(shape)]
        for layout in (torch.contiguous_format, channels_last):
            given = features.contiguous(memory_format=layout)
            mine, theirs = passes(ours, given, gradient), passes(torchs, given, gradient)
            for one, other in zip(mine, theirs, strict=True):
                torch.testing.assert_close(one, other)
                assert one.stride() == other.stride()


@slopes
def test_bfloat16_is_float32_rounded(count):
    ours, torchs = pair(count, torch.float32)
    features, gradient = inputs((2, 3, 64, 64), torch.bfloat16)
    exact = passes(torchs, features.float(), gradient.float())
    with torch.autocast("cpu", torch.bfloat16):
        result, to_features, to_slopes = passes(ours, features, gradient)
    assert result.dtype == to_features.dtype == torch.bfloat16
    assert to_slopes.dtype == torch.float32
    torch.testing.assert_close(result.float(), exact[0], rtol=2**-7, atol=0)
    torch.testing.assert_close(to_features.float(), exact[1], rtol=2**-7, atol=0)
    torch.testing.assert_close(to_slopes, exact[2], rtol=1e-3, atol=0.1)


def test_autocast_narrows_wide_features_as_torchs_does():
    ours, torchs = pair(1, torch.float32)
    features, gradient = inputs((2, 3, 8, 8), torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        mine, theirs = (passes(module, features, gradient.bfloat16()) for module in (ours, torchs))
    for one, other in zip(mine, theirs, strict=True):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one, other, rtol=2**-7, atol=0.5)


@slopes
def test_first_and_second_derivatives_match_finite_differences(count):
    ours, _ = pair(count, torch.float64)
    features = inputs((1, 3, 2, 3), torch.float64)[0]
    features = features + 0.1 * features.sign()  # away from the kink
    features.flatten()[:2] = 0.5

    def function(features, weight):
        return torch.func.functional_call(ours, {"weight": weight}, features)

    arguments = features.requires_grad_(), ours.weight.detach().clone().requires_grad_()
    torch.autograd.gradcheck(function, arguments)
    torch.autograd.gradgradcheck(function, arguments)


def test_vectorised_gradients_equal_one_by_one():
    ours, _ = pair(1, torch.float64)
    features = inputs((3, 2, 4, 4), torch.float64)[0]

    def loss(weight, image):
        return torch.func.functional_call(ours, {"weight": weight}, image[None]).square().sum()

    weight = ours.weight.detach()
    together = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(weight, features)
    alone = torch.stack([torch.func.grad(loss)(weight, image) for image in features])
    torch.testing.assert_close(together, alone)
