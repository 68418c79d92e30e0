"""Command lines of runs with several processes, all of which are given the same line."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from srlab.cli.arguments import searching, sweeping
from srlab.cli.resume import resumed
from srlab.mistakes import Mistake

_RANKS = (
    ("RANK", "WORLD_SIZE"),  # of torchrun
    ("SLURM_PROCID", "SLURM_NTASKS"),  # of srun
)


def launched(arguments: Sequence[str]) -> list[str]:
    """Return the command line for this process, from the line that it was given.

    Processes that Lightning starts already have a complete line. For processes of torchrun and
    srun, the user must name the run's folder, since each would name it by its own starting time.
    Only the first process writes Hydra's files there.

    Raises a `Mistake` if the folder is missing, or several processes would each run a search.
    """
    if any(argument.startswith("hydra.job.name=train_ddp_process_") for argument in arguments):
        return list(arguments)
    rank = started_as(os.environ)
    if rank is not None and searching(arguments):
        raise Mistake(
            "a search with Optuna runs in one process, and torchrun or srun started several, each "
            "of which would search for itself: start it by itself, on one device."
        )
    keys = {argument.partition("=")[0] for argument in arguments}
    folder = "hydra.sweep.dir" if sweeping(arguments) else "hydra.run.dir"
    if rank is not None and folder not in keys:
        raise Mistake(f"several processes share one folder: name it by {folder}=.")
    line = resumed(arguments, alone=not rank)
    if rank:
        line += [f"hydra.job.name=train_process_{rank}", "hydra.output_subdir=null"]
    return line


def started_as(environment: Mapping[str, str]) -> int | None:
    """Return the rank that torchrun or srun gave this process; None for a single process."""
    for rank, ranks in _RANKS:
        if rank in environment and int(environment.get(ranks, "1")) > 1:
            return int(environment[rank])
    return None
