import numpy as np
import pytest
import torch

from srlab.data.statistics import value_range


class Shuffled:
    """Samples whose LR values, all together, are the numbers 0 to N - 1, in any order, and their hundredfold."""

    def __init__(self, samples, side):
        values = (
            np.random.default_rng(0)
            .permutation(samples * side * side)
            .reshape(samples, 1, side, side)
        )
        self.lr = torch.from_numpy(
            np.concatenate([values, 100 * values + 7], axis=1).astype(np.float32)
        )
        self.asked = []

    def __getitem__(self, position):
        self.asked.append(position)
        return {"lr": self.lr[position], "hr": torch.full((2, 1, 1), torch.nan)}


@pytest.mark.parametrize(("samples", "side"), [(1, 40), (10, 10), (64, 32)])
def test_range_is_from_the_first_to_the_last_thousandth(samples, side):
    count = samples * side * side
    dataset = Shuffled(samples, side)
    low, high = 0.001 * (count - 1), 0.999 * (count - 1)
    expected = [(low, high), (100 * low + 7, 100 * high + 7)]
    np.testing.assert_allclose(value_range(dataset, samples=samples), expected, rtol=1e-5)


def test_large_samples_are_thinned_out(monkeypatch):
    taken = []
    percentile = np.percentile
    monkeypatch.setattr(
        np,
        "percentile",
        lambda a, *rest, **named: taken.append(a.size) or percentile(a, *rest, **named),
    )
    ((low, high), _) = value_range(Shuffled(2, 400), samples=2)
    # two channels of two samples, of which some 4096 pixels each are to be kept
    assert sum(taken) <= 2 * 2 * 2 * 4096
    # the standard error of a 99.9th percentile of some 8000 values is about 0.04 % of a uniform range
    assert low == pytest.approx(0.001 * 320_000, abs=0.002 * 320_000)
    assert high == pytest.approx(0.999 * 320_000, abs=0.002 * 320_000)


def test_each_sample_is_asked_for_once():
    dataset = Shuffled(10, 4)
    value_range(dataset, samples=6)
    assert dataset.asked == [0, 1, 2, 3, 4, 5]


def test_the_result_is_plain_numbers_for_the_model_card():
    result = value_range(Shuffled(2, 4), samples=2)
    assert isinstance(result, tuple)
    assert {type(value) for pair in result for value in pair} == {float}
    assert {type(pair) for pair in result} == {tuple}
