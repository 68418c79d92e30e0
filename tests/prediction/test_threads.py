"""The number of threads, which may change the last bit of a network's result."""

import pytest
import torch
from prediction_examples import Recorder, Repeat, resolver

from srlab.mistakes import Mistake
from srlab.prediction import Request, TileGrid
from srlab.prediction.engines import Local
from srlab.prediction.job import Job


class Threads(Repeat):
    def forward(self, lr):
        self.seen.append(torch.get_num_threads())
        return super().forward(lr)


def test_a_network_has_the_threads_that_were_settled_and_gives_them_back():
    network, recorder, before = Threads((2, 2)), Recorder(), torch.get_num_threads()
    grid = TileGrid((40, 40), (40, 40), (0, 0), (2, 2))
    job = Job(reader=recorder, writer=recorder, tiles=grid, threads=before + 2)
    Local()([resolver(network, top=1)], job)
    assert network.seen[0] == before + 2
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(("name", "counted"), [("threads", "threads"), ("batch", "tiles")])
def test_threads_and_tiles_of_a_batch_are_numbers(name, counted):
    with pytest.raises(Mistake, match=f"{name} is 0; give a number of {counted} >= 1, or auto"):
        Request(**{name: 0})
