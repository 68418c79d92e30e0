"""A command from its start to its exit code."""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from srlab.allocation import keep_freed_memory
from srlab.cli.arguments import check_values_given, flags_first, overrides
from srlab.cli.checking import check_values
from srlab.cli.completion import completion
from srlab.cli.configuration import check_choices, check_lists, config_dir
from srlab.cli.errors import full_errors, logged_errors, one_line_errors
from srlab.cli.help import help_text
from srlab.cli.plugins import ThirdPartyConfigs
from srlab.cli.resolvers import (
    continued_channels,
    input_channels,
    integers_up_to,
    output_channels,
)
from srlab.cli.streams import patient_output
from srlab.files import similar_names
from srlab.mistakes import MissingFile, Mistake

NO_TRIAL_COMPLETED = ("No trials are completed yet.", "Record does not exist.")
"""Optuna's errors at the end of a search in which every trial has failed."""


def prepare() -> None:
    """Set up the process: memory, threads, and Hydra's resolver and plugins."""
    keep_freed_memory()
    # Threads that spin while they wait slow torch down where loader workers want the same cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    OmegaConf.register_new_resolver("len", len, replace=True)
    OmegaConf.register_new_resolver("integers_up_to", integers_up_to, replace=True)
    OmegaConf.register_new_resolver("input_channels", input_channels, replace=True)
    OmegaConf.register_new_resolver("output_channels", output_channels, replace=True)
    OmegaConf.register_new_resolver("continued_channels", continued_channels, replace=True)
    Plugins.instance().register(ThirdPartyConfigs)
    # GDAL raises an error for a damaged file anyway, so its log lines would repeat it.
    logging.getLogger("rasterio").setLevel(logging.CRITICAL)


def run(
    task: Callable[[DictConfig], float | None],
    *,
    config_name: str,
    settings: str,
    arguments: Sequence[str],
) -> None:
    """Run a command with Hydra, or print its help or completion script.

    Values are checked before `task` is called. `settings` is the dotted name of the class of the
    top-level values. A mistake in one job of a sweep ends only that job. The command then exits
    with 1.
    """
    with patient_output():
        if {"-h", "--help"} & {*arguments}:
            with one_line_errors(config_name, arguments):
                sys.stdout.write(help_text(config_name, overrides(arguments)) + "\n")
        elif script := completion(arguments):
            sys.stdout.write(script)
        else:
            _run(task, config_name, settings, arguments)


def _run(
    task: Callable[[DictConfig], float | None],
    config_name: str,
    settings: str,
    arguments: Sequence[str],
) -> None:
    # Hydra does not accept null for a group without a default choice.
    chosen = [line for line in arguments if line not in ("experiment=null", "sweep=null")]
    sys.argv[1:] = flags_first(chosen)
    users_full_errors = os.environ.get("HYDRA_FULL_ERROR")
    failures: list[str] = []

    @functools.wraps(task)
    def checked_task(config: DictConfig) -> float | None:
        # In a sweep the error itself must reach Hydra, which then runs the other jobs. It would
        # not catch the SystemExit of a one-line error.
        in_sweep = HydraConfig.get().mode == RunMode.MULTIRUN
        ending = nullcontext() if in_sweep else one_line_errors(config_name, arguments)
        logging_errors = logged_errors(config_name, failures, arguments)
        with full_errors(users_full_errors), ending, logging_errors:
            check_values(config, settings=settings)
            return task(config)

    with one_line_errors(config_name, arguments), full_errors("1"):
        check_choices(arguments)
        check_lists(arguments)
        check_values_given(arguments)
        started = hydra.main(version_base="1.3", config_path=config_dir(), config_name=config_name)
        try:
            started(checked_task)()
        except ValueError as error:
            if not failures or str(error) not in NO_TRIAL_COMPLETED:
                raise
    if failures:
        sys.exit(f"error: {len(failures)} of the sweep's jobs failed, first of all: {failures[0]}")


def require(config: DictConfig, *keys: str) -> None:
    """Raise a `Mistake` that names the required `keys` that were not given."""
    missing = [key for key in keys if OmegaConf.is_missing(config, key)]
    if missing:
        wanted = " ".join(f"{key}=PATH" for key in missing)
        raise Mistake(f"{', '.join(missing)} must be given: {wanted}.")


def require_models(given: str | Sequence[str]) -> None:
    """Raise a `Mistake` for a model that does not exist, before torch is imported to open it."""
    for path in [given] if isinstance(given, str) else given:
        if not os.path.exists(path):
            similar = " or ".join(similar_names(path))
            advice = f"did you mean {similar}?" if similar else "give a file of a trained model."
            raise MissingFile(f"there is no model at {path}; {advice}")
