import pytest
from torch import nn

from srlab.mistakes import Mistake
from srlab.training.fitting import fit


class Module:
    discriminator = None
    generator = nn.Conv2d(1, 1, 1)
    card = type("Card", (), {"scale": (2, 2)})


class Failing:
    """A trainer whose run ends in an error."""

    is_global_zero = True

    def __init__(self, error):
        self.error = error

    def fit(self, *_, **__):
        raise self.error


# as PyTorch's signal handler says it, and as its queue does
@pytest.mark.parametrize(
    "message",
    [
        "DataLoader worker (pid 12) is killed by signal: Killed. ",
        "DataLoader worker (pid(s) 12) exited unexpectedly",
    ],
)
def test_a_lost_worker_is_told_in_one_line(tmp_path, message):
    with pytest.raises(Mistake, match=r"a process that loads data was killed \(DataLoader worker"):
        fit(Failing(RuntimeError(message)), Module(), None, folder=tmp_path, checkpoint=None)


def test_any_other_error_keeps_its_class(tmp_path):
    error = RuntimeError("size mismatch")
    with pytest.raises(RuntimeError) as caught:
        fit(Failing(error), Module(), None, folder=tmp_path, checkpoint=None)
    assert caught.value is error
