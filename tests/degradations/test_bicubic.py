import re

import numpy as np
import pytest
import torch
from PIL import Image

from srlab.degradations import Bicubic


def random(*size, seed=0):
    return torch.rand(size, generator=torch.Generator().manual_seed(seed))


def pixels(path):
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).movedim(-1, 0)[None].float()


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_matches_pillow_inside(scale):
    hr = random(1, 1, 19 * scale, 17 * scale)
    picture = Image.fromarray(hr[0, 0].numpy(), "F").resize((17, 19), Image.BICUBIC)
    lr, expected = Bicubic(scale=scale)(hr)[0, 0], torch.from_numpy(np.array(picture))
    torch.testing.assert_close(lr[2:-2, 2:-2], expected[2:-2, 2:-2], atol=1e-6, rtol=0)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_equals_matlab_to_the_bit_on_set5(shared_data, scale):
    references = sorted(shared_data(f"rgb/set5/LR_matlab_x{scale}").glob("*.png"))
    assert len(references) == 5
    for path in references:
        lr, hr = pixels(path), pixels(shared_data(f"rgb/set5/HR/{path.name}"))
        hr = hr[..., : lr.shape[2] * scale, : lr.shape[3] * scale]
        assert torch.equal(Bicubic(scale=scale, integers=[0, 255])(hr), lr), path


@pytest.mark.parametrize("integers", [None, [0, 255]])
def test_same_batch_gives_the_same_bits_and_nothing_is_drawn(integers):
    hr = 255 * random(2, 3, 16, 24)
    degrade = Bicubic(scale=4, integers=integers)
    generators = [torch.Generator().manual_seed(seed) for seed in (0, 1)]
    results = [degrade(hr), *(degrade(hr, generator=generator) for generator in generators)]
    assert all(torch.equal(result, results[0]) for result in results)
    assert generators[0].initial_seed() == 0
    assert torch.equal(generators[0].get_state(), torch.Generator().manual_seed(0).get_state())


@pytest.mark.parametrize("limits", [[0, 255], [-1024, 3071]], ids=str)
def test_integers_are_whole_and_in_range(limits):
    low, high = limits
    # edges that cubic kernels overshoot
    hr = (low + (high - low) * (random(2, 3, 24, 24) > 0.5)).float()
    lr, free = Bicubic(scale=2, integers=limits)(hr), Bicubic(scale=2)(hr)
    assert torch.equal(lr, lr.round())
    assert low <= lr.min()
    assert lr.max() <= high
    assert free.min() < low
    assert free.max() > high
    assert not torch.equal(free, free.round())


def test_half_is_rounded_up_as_matlab_does():
    degrade = Bicubic(scale=(1, 2), integers=[0, 255])
    for value, expected in ((0.5, 1.0), (1.5, 2.0), (2.5, 3.0), (254.5, 255.0)):
        constant = torch.full((1, 1, 3, 8), value, dtype=torch.float64)
        assert degrade(constant).unique().tolist() == [expected]


def test_rounding_happens_after_each_axis():
    hr = (255 * random(1, 1, 32, 32)).round()
    degrade, once = Bicubic(scale=2, integers=[0, 255]), Bicubic(scale=2)
    by_hand = hr
    for factors in ((2, 1), (1, 2)):
        by_hand = torch.floor(Bicubic(scale=factors)(by_hand) + 0.5).clamp(0, 255)
    assert torch.equal(degrade(hr), by_hand)
    assert not torch.equal(degrade(hr), torch.floor(once(hr) + 0.5).clamp(0, 255))


@pytest.mark.parametrize(
    ("scale", "size", "integers"),
    [((1, 4, 4), (3, 8, 12), [0, 255]), ((3, 1, 1), (6, 5, 4), None), (2, (4, 6, 8), [0, 255])],
    ids=str,
)
def test_volume_is_shrunk_by_the_scale_of_each_axis(scale, size, integers):
    lr = Bicubic(scale=scale, spatial_dims=3, integers=integers)(255 * random(2, 1, *size))
    assert lr.shape == (2, 1, *(np.array(size) // scale))


def test_frames_of_a_video_are_shrunk_one_by_one():
    video = random(1, 3, 4, 8, 12)
    frames = torch.stack([Bicubic(scale=(2, 4))(video[:, :, frame]) for frame in range(4)], dim=2)
    assert torch.equal(Bicubic(scale=[1, 2, 4], spatial_dims=3)(video), frames)


def test_integers_are_a_lowest_and_a_highest():
    for integers in [[0], [0, 1, 2], [255, 0], [5, 5], []]:
        message = f"integers is {integers}; give null, or [lowest, highest]"
        with pytest.raises(ValueError, match=re.escape(message)):
            Bicubic(scale=2, integers=integers)


def test_scale_must_be_one_integer_per_axis():
    with pytest.raises(ValueError, match=re.escape("got (1, 4, 4) for 2 spatial axes")):
        Bicubic(scale=(1, 4, 4))


def test_size_must_be_a_multiple_of_the_scale():
    message = "an image of size (9, 8) cannot be shrunk by (4, 4)"
    with pytest.raises(ValueError, match=re.escape(message)):
        Bicubic(scale=4)(torch.zeros(1, 1, 9, 8))


def test_gradient_passes_through_the_rounding():
    hr = 255 * random(1, 3, 16, 16).double()
    weights = torch.arange(16.0).view(4, 4)
    gradients = []
    for integers in (None, [0, 255]):
        image = hr.clone().requires_grad_()
        (Bicubic(scale=4, integers=integers)(image) * weights).sum().backward()
        gradients.append(image.grad)
    torch.testing.assert_close(*gradients)
