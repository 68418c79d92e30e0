import pytest
import torch

from srlab.prediction.device import chosen_device


def test_devices_by_name():
    assert chosen_device("cpu") == torch.device("cpu")
    assert chosen_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:99"])
def test_device_that_is_not_there_is_refused(name):
    message = rf"device={name} cannot be used here: .+; try device=auto\."
    with pytest.raises(ValueError, match=message):
        chosen_device(name)
