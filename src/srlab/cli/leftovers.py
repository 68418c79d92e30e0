"""The folder of a run that was refused before it began."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from srlab.cli.errors import user_message
from srlab.files import remove_if_empty


@contextmanager
def removed_if_refused(folder: Path) -> Iterator[None]:
    """Remove a run's folder if an error of the user's ends the run before it has begun.

    The folder then holds only what Hydra puts there: the configuration, and a log with the lines of
    the console. The folders of a sweep's jobs are kept, since the sweep goes on.
    """
    try:
        yield
    except Exception as error:
        if user_message(error) is not None and _has_not_begun(folder):
            rmtree(folder, ignore_errors=True)
            _remove_empty_above(folder)
        raise


def _has_not_begun(folder: Path) -> bool:
    hydra = HydraConfig.get()
    from_hydra = {hydra.output_subdir, f"{hydra.job.name}.log"}
    return hydra.mode == RunMode.RUN and {each.name for each in folder.iterdir()} <= from_hydra


def _remove_empty_above(folder: Path) -> None:
    """Remove empty folders above a removed one, up to the current working directory."""
    here = Path.cwd()
    for above in folder.absolute().parents:
        if not above.is_relative_to(here) or above == here:
            return
        remove_if_empty(above)
