import multiprocessing
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from srlab.data.module import DataModule, collate


class Positions:
    """Samples that say which they are."""

    def __init__(self, length=None, missing=(), scene=False):
        self.length, self.missing, self.scene = length, missing, scene

    def __len__(self):
        assert self.length is not None, "training has no end"
        return self.length

    def __getitem__(self, position):
        if self.length is not None and position >= self.length:
            raise IndexError(position)
        sample = {
            "lr": torch.full((1, 2, 2), float(position)),
            "hr": torch.full((1, 4, 4), float(position)),
        }
        if self.scene:
            sample["scene"] = torch.full((9, 1), float(position))
        if position in self.missing:
            sample["valid"] = torch.arange(16).view(1, 4, 4) > 3
        return sample


def module(*, step=0, rank=0, ranks=1, **settings):
    source = SimpleNamespace(training=Positions(), validation=Positions(3))
    data = DataModule(source, **{"batch_size": 2, **settings})
    data.trainer = SimpleNamespace(global_step=step, global_rank=rank, world_size=ranks)
    return data


def positions(data, steps):
    """For each step, the positions of each micro-batch."""
    batches = islice(iter(data.train_dataloader()), steps)
    return [list(map(_positions, batch)) for batch in batches]


def _positions(micro):
    return micro["lr"][:, 0, 0, 0].int().tolist()


def test_a_batch_is_one_update_of_accumulated_micro_batches():
    assert positions(module(accumulate=3), 2) == [
        [[0, 1], [2, 3], [4, 5]],
        [[6, 7], [8, 9], [10, 11]],
    ]


@pytest.mark.parametrize("workers", [0, 2])
def test_micro_batches_are_stacked_samples(workers):
    (batch,) = islice(
        iter(module(batch_size=3, accumulate=2, num_workers=workers).train_dataloader()), 1
    )
    assert [micro["hr"].shape for micro in batch] == [(3, 1, 4, 4)] * 2
    assert [micro["lr"].shape for micro in batch] == [(3, 1, 2, 2)] * 2
    assert batch[1]["hr"][2].unique().tolist() == [5]


def test_ranks_share_a_step():
    assert positions(module(rank=0, ranks=2), 2) == [[[0, 1]], [[4, 5]]]
    assert positions(module(rank=1, ranks=2), 2) == [[[2, 3]], [[6, 7]]]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_run_goes_on_with_its_next_step(workers):
    straight = positions(module(accumulate=2), 6)
    stopped = module(step=4, accumulate=2)
    resumed = module(accumulate=2, num_workers=workers)
    resumed.load_state_dict(stopped.state_dict())
    assert positions(resumed, 2) == straight[4:]


def test_the_state_is_the_step_and_not_what_was_prefetched():
    data = module(step=0, num_workers=2)
    iterator = iter(data.train_dataloader())
    next(iterator)  # the workers are ahead now
    data.trainer.global_step = 1
    assert data.state_dict() == {"step": 1}


def test_validation_comes_one_view_at_a_time():
    batches = list(module(batch_size=8).val_dataloader())
    assert [batch["hr"].shape for batch in batches] == [(1, 1, 4, 4)] * 3
    assert [int(batch["lr"][0, 0, 0, 0]) for batch in batches] == [0, 1, 2]


def test_collate_stacks_what_the_samples_hold():
    batch = collate([Positions()[1], Positions()[5]])
    assert batch.keys() == {"lr", "hr"}
    assert batch["lr"].shape == (2, 1, 2, 2)
    assert batch["hr"][:, 0, 0, 0].tolist() == [1, 5]


def test_collate_stacks_scenes():
    dataset = Positions(scene=True)
    batch = collate([dataset[1], dataset[5]])
    assert batch["scene"].shape == (2, 9, 1)
    assert batch["scene"][:, 0, 0].tolist() == [1, 5]


def test_collate_counts_samples_without_a_mask_as_valid_everywhere():
    dataset = Positions(missing={5})
    batch = collate([dataset[1], dataset[5], dataset[2]])
    assert batch["valid"].shape == (3, 1, 4, 4)
    assert batch["valid"].dtype == torch.bool
    assert batch["valid"].sum(dim=(1, 2, 3)).tolist() == [16, 12, 16]
    assert not batch["valid"][1, 0, 0].any()


@pytest.mark.parametrize("settings", [{"batch_size": 0}, {"accumulate": 0}, {"num_workers": -1}])
def test_senseless_sizes_are_refused(settings):
    values = {"batch_size": 2, "accumulate": 1, "num_workers": 0, **settings}
    message = (
        f"loader.batch_size {values['batch_size']} and loader.accumulate {values['accumulate']} "
        f"must be at least 1, and loader.num_workers {values['num_workers']} at least 0."
    )
    with pytest.raises(ValueError, match=message):
        module(**settings)


def use_workers(pipe, end):
    samples = iter(module(num_workers=2).train_dataloader())
    next(samples)
    pipe.send([child.pid for child in multiprocessing.active_children()])
    raise end


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no list of processes")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("end", [RuntimeError(), SystemExit(1), KeyboardInterrupt()], ids=repr)
def test_a_process_that_ends_while_workers_live_takes_them_along(end):
    """A child process runs the exit handler of Python at its end, as a command does."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=use_workers, args=(theirs, end))
    process.start()
    process.join(timeout=120)
    ended = process.exitcode
    process.kill()
    assert ended is not None, "it waits for its workers for ever"
    assert ended != 0
    workers = ours.recv()
    assert len(workers) == 2
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]
