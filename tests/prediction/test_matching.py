import numpy as np
import pytest
from prediction_examples import resolver, srresnet
from skimage.exposure import match_histograms

from srlab.io.array import ArrayReader, ArrayWriter
from srlab.mistakes import FailedWrite
from srlab.prediction import plan_tiles, super_resolve
from srlab.prediction.output.matching import matching_input

RANDOM = np.random.default_rng(0)
EMPTY = (slice(None), slice(0, 5), slice(0, 7))


def scene():
    image = RANDOM.gamma(3, 25, (2, 70, 60)).cumsum(axis=2)[..., ::-1].astype(np.float32) / 60
    image[EMPTY] = np.nan
    return image


def output(tmp_path, image, *, match, tile=200):
    """SR of an image, matched to it or not."""
    model, reader = resolver(srresnet((2, 2))), ArrayReader(image)
    described = reader.description.scaled((2, 2))
    writer = inner = ArrayWriter(2, described.shape)
    if match:
        writer = matching_input(
            inner, tmp_path / "out.tif", described, card=model.card, reader=reader
        )
    plan = plan_tiles(model, reader, tile=tile, overlap="auto")
    super_resolve(model, reader, writer, plan=plan)
    assert not list(tmp_path.iterdir())
    return inner.array


def test_output_has_the_inputs_distribution_as_skimage_gives_it(tmp_path):
    image = scene()
    plain, found = (output(tmp_path, image, match=match) for match in (False, True))
    seen = np.isfinite(plain)
    assert np.array_equal(np.isfinite(found), seen)
    for own, before, valid, wanted in zip(found, plain, seen, image, strict=True):
        reference = wanted[np.isfinite(wanted)]
        expected = match_histograms(before[valid][None], reference[None])[0]
        assert np.abs(own[valid] - expected).mean() < 2e-3 * np.ptp(reference)
        levels = [1, 25, 50, 75, 99]
        got, want = np.percentile(own[valid], levels), np.percentile(reference, levels)
        np.testing.assert_allclose(got, want, atol=5e-3 * np.ptp(reference))


def test_the_match_does_not_depend_on_tiles(tmp_path):
    image = scene()
    whole, tiled = (output(tmp_path, image, match=True, tile=tile) for tile in (200, 40))
    np.testing.assert_allclose(whole, tiled, rtol=1e-3)


def test_a_failure_leaves_nothing(tmp_path):
    model, reader = resolver(srresnet((2, 2))), ArrayReader(scene())
    described = reader.description.scaled((2, 2))

    class Full(ArrayWriter):
        def write(self, window, array):
            raise FailedWrite("the disk is full")

    writer = matching_input(
        Full(2, described.shape), tmp_path / "out.tif", described, card=model.card, reader=reader
    )
    plan = plan_tiles(model, reader, tile=200, overlap="auto")
    with pytest.raises(FailedWrite, match="full"):
        super_resolve(model, reader, writer, plan=plan)
    assert not list(tmp_path.iterdir())
