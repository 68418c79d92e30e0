import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from srlab.normalisers import Percentile, Statistics, StreamingStatistics, ZScore
from srlab.normalisers.statistics import LEVELS

RNG = np.random.default_rng(0)
SETS = {
    "normal, far from zero": RNG.normal(1e6, 3, 20_000),
    "skewed": RNG.exponential(3, 20_000),
    "8-bit": RNG.integers(0, 256, 20_000),
    "drifting": RNG.normal(size=20_000).cumsum(),
    "with one outlier": np.r_[RNG.uniform(0, 1, 19_999), -500],
}


def in_parts(values, parts=23):
    streaming = StreamingStatistics(1)
    for part in np.array_split(values, parts):
        streaming.add(part[None])
    return streaming.result()


def test_equals_numpy_on_the_whole():
    for name in SETS:
        values = SETS[name]
        found = in_parts(values)
        assert found.count[0] == values.size
        assert (found.minimum[0], found.maximum[0]) == (values.min(), values.max())
        assert found.mean[0] == pytest.approx(values.mean(), rel=1e-12)
        assert found.deviation[0] == pytest.approx(values.std(), rel=1e-9)
        error = np.abs(found.quantiles[:, 0] - np.percentile(values, LEVELS))
        assert error.max() <= 1e-3 * np.ptp(values)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(-(2.0**90), 2.0**90, width=32), min_size=1, max_size=50), st.integers(1, 9)
)
def test_parts_make_no_difference(values, parts):
    values = np.array(values)
    whole, found = in_parts(values, 1), in_parts(values, parts)
    assert found.minimum == whole.minimum
    assert found.maximum == whole.maximum
    np.testing.assert_allclose(found.mean, whole.mean, rtol=1e-9, atol=1e-9 * np.abs(values).max())


def test_what_is_not_finite_is_no_data():
    values = np.array([[1, np.nan, 3], [np.inf, -np.inf, np.nan]])
    found = Statistics.of(values)
    assert found.count.tolist() == [2, 0]
    assert (found.mean[0], found.deviation[0]) == (2, 1)
    assert np.isnan(found.mean[1])
    assert np.isnan(found.quantiles[:, 1]).all()


def test_memory_does_not_grow():
    streaming = StreamingStatistics(1)
    sizes = set()
    for scale in 10.0 ** np.arange(-20, 20):
        streaming.add(scale * RNG.normal(size=(1, 100)))
        sizes.add(streaming._channels[0]._histogram.counts.nbytes)
    assert len(sizes) == 1


def test_file_restores_statistics():
    statistics = Statistics.of(RNG.normal(size=(2, 50)))
    again = Statistics.from_json(statistics.to_json())
    assert torch.equal(again.as_tensor(), statistics.as_tensor())
    assert again.count.dtype == np.int64


def fit(normaliser, hr):
    def never():
        raise AssertionError("LR is not measured")

    normaliser.fit(hr=lambda: Statistics.of(hr), lr=never)


def image(channels=3):
    generator = torch.Generator().manual_seed(0)
    return 40 + 7 * torch.randn(2, channels, 16, 16, generator=generator)


@pytest.mark.parametrize("kind", [ZScore, Percentile])
@pytest.mark.parametrize("scope", ["training", "scene"])
class TestMeasured:
    def ready(self, kind, scope):
        """A normaliser that knows its numbers, and the scene that it is given."""
        images, normaliser = image(), kind(channels=3, scope=scope)
        if scope == "training":
            fit(normaliser, images.movedim(1, 0))
            return normaliser, None
        return normaliser, torch.stack([Statistics.of(each).as_tensor() for each in images])

    def test_inverse_restores_input(self, kind, scope):
        normaliser, scene = self.ready(kind, scope)
        restored = normaliser.inverse(normaliser.hr(image(), scene), scene)
        torch.testing.assert_close(restored, image(), rtol=1e-5, atol=1e-5)

    def test_brings_the_values_to_its_range(self, kind, scope):
        normaliser, scene = self.ready(kind, scope)
        axes = (0, 2, 3) if scope == "training" else (2, 3)
        found = normaliser.lr(image(), scene)
        if kind is ZScore:
            torch.testing.assert_close(found.mean(axes), 0 * found.mean(axes), atol=1e-4, rtol=0)
            assert (found.std(axes, correction=0) - 1).abs().max() < 1e-4
        else:
            assert ((found < 0).float().mean(axes) - 0.01).abs().max() < 0.004
            assert ((found > 1).float().mean(axes) - 0.01).abs().max() < 0.004

    def test_its_numbers_are_saved(self, kind, scope):
        normaliser, scene = self.ready(kind, scope)
        again = kind(channels=3, scope=scope)
        again.load_state_dict(normaliser.state_dict())
        assert torch.equal(again.lr(image(), scene), normaliser.lr(image(), scene))


def test_a_scene_in_other_units_gives_the_same_picture():
    normaliser = ZScore(channels=1, scope="scene")
    first = image(1)[:1]
    scenes = [Statistics.of(37.5 * each[0] - 3).as_tensor()[None] for each in (first,)]
    other = normaliser.lr(37.5 * first - 3, scenes[0])
    own = normaliser.lr(first, Statistics.of(first[0]).as_tensor()[None])
    torch.testing.assert_close(other, own, rtol=1e-4, atol=1e-4)


def test_a_constant_channel_is_not_divided_by_zero():
    flat = torch.full((1, 1, 4, 4), 5.0)
    for kind in (ZScore, Percentile):
        normaliser = kind(channels=1)
        fit(normaliser, flat[0])
        assert torch.equal(normaliser.lr(flat), torch.zeros_like(flat))


def test_mistakes_say_what_to_do():
    with pytest.raises(ValueError, match=r"scene=Statistics.of\(image\)"):
        ZScore(channels=1, scope="scene").lr(image(1))
    with pytest.raises(ValueError, match="is for 2 channels and the training images have 3"):
        fit(ZScore(channels=2), image()[0])
    with pytest.raises(ValueError, match=r"normaliser\.scope is 'tile'; choose training or scene"):
        Percentile(channels=1, scope="tile")
    with pytest.raises(ValueError, match=r"the percentile 50\.5 is not measured; give a whole"):
        Percentile(channels=1, low=50.5)
    with pytest.raises(ValueError, match="high must be larger"):
        Percentile(channels=1, low=99, high=1)
    with pytest.raises(ValueError, match="holds no value at all"):
        fit(ZScore(channels=1), np.full((1, 3), np.nan))
