import numpy as np
import pytest

from srlab.data.finding.handles import FewOpen, OneOfMany
from srlab.io.array.memory import ArrayReader


class Counting(ArrayReader):
    """A reader that opens at its first read."""

    def __init__(self, number, open_ones):
        super().__init__(np.full((2, 3, 4), number), names=("a", "b"), name=f"file {number}")
        self.number, self.open_ones, self.opened = number, open_ones, 0

    def read(self, window):
        self.opened += self.number not in self.open_ones
        self.open_ones.add(self.number)
        return super().read(window)

    def close(self):
        self.open_ones.discard(self.number)


@pytest.fixture
def many():
    open_ones, few = set(), FewOpen(limit=3)
    readers = [Counting(number, open_ones) for number in range(6)]
    return readers, [OneOfMany(reader, few) for reader in readers], open_ones


WINDOW = (slice(0, 2), slice(1, 4))


def test_no_more_than_the_limit_are_open(many):
    _, shared, open_ones = many
    for number in np.random.default_rng(0).integers(0, 6, 100):
        assert (shared[number].read(WINDOW) == number).all()
        assert len(open_ones) <= 3


def test_those_read_last_stay_open(many):
    readers, shared, open_ones = many
    for number in (0, 1, 2, 0, 3, 0, 4):
        shared[number].read(WINDOW)
    assert open_ones == {0, 3, 4}
    assert readers[0].opened == 1


def test_a_file_is_what_it_is_alone(many):
    (reader, *_), (shared, *_), open_ones = many
    assert shared.description == reader.description
    assert str(shared) == "file 0"
    assert shared.read(WINDOW).shape == (2, 2, 3)
    shared.close()
    assert open_ones == set()
