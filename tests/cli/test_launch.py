import pytest

from srlab.cli import launch
from srlab.cli.launch import launched

RANKS = ("RANK", "WORLD_SIZE", "SLURM_PROCID", "SLURM_NTASKS")


@pytest.fixture
def started(monkeypatch):
    """Pretend to be started with these environment variables; of other starts, none are left."""

    def pretend(**environment):
        for name in RANKS:
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

    return pretend


TORCHRUN = {"RANK": "1", "WORLD_SIZE": "2"}
SRUN = {"SLURM_PROCID": "1", "SLURM_NTASKS": "2"}


@pytest.mark.parametrize(
    "environment", [{}, {"RANK": "0", "WORLD_SIZE": "1"}, {"SLURM_PROCID": "0"}], ids=str
)
def test_a_single_process_runs_its_command_line(started, environment):
    started(**environment)
    assert launched(["seed=1", "weights=a b.ckpt"]) == ["seed=1", "weights='a b.ckpt'"]


@pytest.mark.parametrize("environment", [TORCHRUN, SRUN], ids=str)
def test_only_the_first_process_keeps_hydras_files(started, environment):
    given = ["seed=1", "hydra.run.dir=RUN"]
    plain = ["seed=1", "hydra.run.dir='RUN'"]
    started(**environment)
    assert launched(given) == [*plain, "hydra.job.name=train_process_1", "hydra.output_subdir=null"]
    started(**{name: value.replace("1", "0") for name, value in environment.items()})
    assert launched(given) == plain


@pytest.mark.parametrize("environment", [TORCHRUN, SRUN], ids=str)
def test_processes_must_be_told_their_folder(started, environment):
    started(**environment)
    with pytest.raises(
        ValueError, match=r"several processes share one folder: name it by hydra\.run\.dir=\."
    ):
        launched(["seed=1"])


def test_a_process_of_lightnings_takes_its_line_as_it_is(started, monkeypatch):
    """Its `resume=` has been dealt with, and would be again."""
    started()
    monkeypatch.setattr(launch, "resumed", lambda arguments: pytest.fail("resumed again"))
    given = [
        "resume='RUN/checkpoints/last.ckpt'",
        'hydra.run.dir="RUN"',
        "hydra.job.name=train_ddp_process_1",
    ]
    assert launched(given) == given
