import re

import numpy as np
import pytest
import torch
from prediction_examples import TOP, Repeat, repeat, resolver, scene, srresnet, stochastic

from srlab.normalisers import ZScore
from srlab.normalisers.statistics import Statistics
from srlab.prediction import Predictor


def alone(model, image, noise=None):
    return model.tile(torch.from_numpy(image)[None], noise)[0].numpy()


def test_a_cpu_takes_one_tile_at_a_time():
    generator = Repeat((2, 3))
    images = scene(1, 3, 9, 8)[0][:, None]
    result = Predictor(resolver(generator, top=1), batch_size=5)(images)
    assert generator.seen == [(1, 1, 9, 8)] * 3
    np.testing.assert_array_equal(result, np.kron(images, np.ones((1, 1, 2, 3))))


@pytest.mark.parametrize("size", [2, 3, 5])
def test_other_devices_take_batches_of_one_size(size):
    generator = Repeat((2, 3))
    predict = Predictor(resolver(generator, top=1))
    predict.batch_size = size  # as on a GPU
    images = torch.rand(3, 1, 4, 5)
    result = predict(images.numpy())
    assert generator.seen == [(size, 1, 4, 5)] * -(-3 // size)
    np.testing.assert_array_equal(result, repeat(images, (2, 3)).numpy())


def test_a_tile_has_the_same_bits_whatever_shares_its_batch():
    predict = Predictor(resolver(srresnet((2, 2))), batch_size=3)
    images = np.stack([scene(2, 29, 25)[:, ::step, ::step] for step in (1, -1)])
    together = predict(images)
    for image, sr in zip(images, together, strict=True):
        np.testing.assert_array_equal(predict(image[None])[0], sr)
    np.testing.assert_array_equal(predict(images[::-1].copy()), together[::-1])


@pytest.mark.parametrize(
    ("scale", "layout"),
    [((2, 2), torch.channels_last), ((1, 2, 2), torch.channels_last_3d)],
    ids=["image", "volume"],
)
def test_a_cpu_has_the_weights_with_the_channels_last(scale, layout):
    model, image = resolver(srresnet(scale)), scene(2, *[9] * len(scale))
    expected = alone(model, image)
    result = Predictor(model)(image[None])[0]
    kernels = [weight for weight in model.parameters() if weight.ndim == len(scale) + 2]
    assert all(kernel.is_contiguous(memory_format=layout) for kernel in kernels)
    np.testing.assert_allclose(result, expected, atol=1e-5 * TOP, rtol=0)


def test_each_image_of_a_batch_gets_the_noise():
    model, image = resolver(stochastic((2, 2))), scene(2, 17, 13)
    images = np.stack([image, image])
    without = Predictor(model)(images)
    np.testing.assert_array_equal(Predictor(model, noise=torch.zeros(1, 5))(images), without)
    noise = model.draw_noise(7)
    first, second = Predictor(model, noise=noise)(images)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, alone(model, image, noise), atol=1e-4 * np.ptp(first), rtol=0)
    assert np.abs(first - without[0]).max() > 0.01 * np.ptp(first)


def test_the_normaliser_gets_the_statistics_of_the_scene():
    model = resolver(srresnet((2, 2)), normaliser=ZScore(channels=2, scope="scene"))
    images = scene(2, 12, 10)[None]
    other = 1000 + 50 * images
    results = []
    for image in (images, other):
        statistics = Statistics.of(image[0]).as_tensor()[None]
        results.append(Predictor(model, scene=statistics)(image))
    # A network behind a z-score cannot tell other units.
    np.testing.assert_allclose(results[1], 1000 + 50 * results[0], rtol=1e-4)
    with pytest.raises(ValueError, match="the statistics of each whole image"):
        Predictor(model)(images)


def test_wrong_batch_sizes_are_refused():
    for batch_size in [0, -1, "many", 1.5, True]:
        message = f"batch_size is {batch_size!r}; give a number of tiles >= 1."
        with pytest.raises(ValueError, match=re.escape(message)):
            Predictor(resolver(Repeat((2, 2))), batch_size=batch_size)


def test_noise_of_another_shape_is_refused():
    cases = [
        # three vectors would make three tiles of a batch different samples
        (stochastic, (3, 5), "(1, 5), which its draw_noise(seed) gives."),
        (stochastic, (5,), "(1, 5), which"),
        (stochastic, (1, 4), "(1, 5), which"),
        (srresnet, (1, 5), "no noise."),
    ]
    for network, shape, wanted in cases:
        message = f"noise has the shape {shape}; this model takes {wanted}"
        with pytest.raises(ValueError, match=re.escape(message)):
            Predictor(resolver(network((2, 2))), noise=torch.ones(shape))
