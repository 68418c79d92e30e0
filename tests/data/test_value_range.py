import numpy as np
import pytest
import torch

from srlab.data.measuring.statistics import value_range


class Shuffled:
    """Samples whose LR values are, together, the numbers 0 to N - 1, and their hundredfold."""

    def __init__(self, samples, side):
        values = np.random.default_rng(0).permutation(samples * side**2)
        values = values.reshape(samples, 1, side, side).astype(np.float32)
        self.lr = torch.from_numpy(np.concatenate([values, 100 * values + 7], axis=1))
        self.asked = []

    def __getitem__(self, position):
        self.asked.append(position)
        return {"lr": self.lr[position], "hr": torch.full((2, 1, 1), torch.nan)}


@pytest.mark.parametrize(("samples", "side"), [(1, 40), (64, 32)])
def test_range_is_from_the_first_to_the_last_thousandth(samples, side):
    count = samples * side * side
    low, high = 0.001 * (count - 1), 0.999 * (count - 1)
    expected = [(low, high), (100 * low + 7, 100 * high + 7)]
    found = np.array(value_range(Shuffled(samples, side), samples=samples))
    # to 0.025 % of the range, as all of our percentiles
    np.testing.assert_allclose(found[0], expected[0], rtol=0, atol=2.5e-4 * count)
    np.testing.assert_allclose(found[1], expected[1], rtol=0, atol=2.5e-2 * count)


def test_each_sample_is_asked_for_once():
    dataset = Shuffled(10, 4)
    value_range(dataset, samples=6)
    assert dataset.asked == [0, 1, 2, 3, 4, 5]


def test_the_result_is_plain_numbers_for_the_model_card():
    result = value_range(Shuffled(2, 4), samples=2)
    assert isinstance(result, tuple)
    assert {type(pair) for pair in result} == {tuple}
    assert {type(value) for value in np.array(result, object).flatten()} == {float}


class Collar:
    """Samples in which HR holds nothing in the first columns, and LR something else there."""

    def __init__(self, columns):
        self.columns = columns

    def __getitem__(self, position):
        hr, lr = torch.full((1, 8, 12), 5.0), torch.full((1, 4, 4), 5.0)
        valid = torch.ones((1, 8, 12), dtype=torch.bool)
        valid[..., : self.columns], lr[..., : self.columns // 3] = False, 900.0
        return {"lr": lr, "hr": hr, "valid": valid}


@pytest.mark.parametrize("columns", [3, 7])
def test_pixels_without_data_have_no_part_in_the_range(columns):
    np.testing.assert_allclose(value_range(Collar(columns), samples=2), [(5.0, 5.0)])


def test_data_without_any_value_are_refused():
    with pytest.raises(ValueError, match="the first 2 training crops hold no value at all; choose"):
        value_range(Collar(12), samples=2)
