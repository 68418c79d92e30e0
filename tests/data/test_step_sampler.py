from itertools import chain, islice

from hypothesis import given
from hypothesis import strategies as st

from srlab.data.sampler import StepSampler

settings_of_a_run = st.fixed_dictionaries(
    {"batch_size": st.integers(1, 5), "accumulate": st.integers(1, 4), "ranks": st.integers(1, 4)}
)


def shares(run, *, start, steps):
    """The positions of each rank, one list a step."""
    samplers = [StepSampler(**run, rank=rank, start=start) for rank in range(run["ranks"])]
    return [list(islice(sampler, steps)) for sampler in samplers]


def global_batch(run):
    return run["batch_size"] * run["accumulate"] * run["ranks"]


@given(run=settings_of_a_run, start=st.integers(0, 1000), steps=st.integers(1, 5))
def test_ranks_share_the_positions_of_the_steps_between_them(run, start, steps):
    batches = chain.from_iterable(shares(run, start=start, steps=steps))
    whole = global_batch(run)
    assert sorted(chain.from_iterable(batches)) == list(
        range(start * whole, (start + steps) * whole)
    )


@given(run=settings_of_a_run, start=st.integers(0, 1000))
def test_each_step_takes_its_own_global_batch(run, start):
    whole = global_batch(run)
    for offset, step in enumerate(zip(*shares(run, start=start, steps=3), strict=True)):
        first = (start + offset) * whole
        assert sorted(chain.from_iterable(step)) == list(range(first, first + whole))
        assert {len(rank) for rank in step} == {run["batch_size"] * run["accumulate"]}


@given(run=settings_of_a_run, done=st.integers(0, 6), more=st.integers(1, 4))
def test_a_resumed_sampler_goes_on_where_it_stopped(run, done, more):
    straight = shares(run, start=0, steps=done + more)
    assert shares(run, start=done, steps=more) == [rank[done:] for rank in straight]


@given(run=settings_of_a_run)
def test_a_sampler_can_be_iterated_anew(run):
    sampler = StepSampler(**run, rank=0, start=7)
    assert list(islice(sampler, 3)) == list(islice(sampler, 3))
