import torch

from srlab.training.latest import Latest


def test_last_value_of_each_name_is_kept():
    latest = Latest(["a", "b", "c"])
    assert latest.known() == {}
    latest.note({"a": torch.tensor(1.0), "other": torch.tensor(9.0)})
    latest.note({"b": torch.tensor(2.0)})
    latest.note({"a": torch.tensor(3.0)})
    assert latest.known() == {"a": 3.0, "b": 2.0}


def test_it_goes_on_from_a_checkpoint():
    before, after = Latest(["a", "b"]), Latest(["a", "b"])
    before.note({"b": torch.tensor(2.0)})
    after.load_state_dict(before.state_dict())
    assert after.known() == {"b": 2.0}
