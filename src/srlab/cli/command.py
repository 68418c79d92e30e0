"""What the commands share: where the configuration lies, paths that survive Hydra's grammar, errors of one line."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from importlib.metadata import distributions, entry_points
from pathlib import Path

import hydra
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.experimental.callback import Callback
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from srlab.cli.configuration import check_choices, check_kinds, config_dir
from srlab.cli.errors import full_errors, logged_errors, one_line_errors
from srlab.mistakes import MissingPackage, Mistake

PATH_KEYS = frozenset(
    {
        "model",
        "input",
        "output",
        "data.root",
        "resume",
        "weights",
        "hydra.run.dir",
        "hydra.sweep.dir",
    }
)
"""Keys whose values are taken as they stand, with whatever signs a file name may have; so is every ``*.weights``."""


NO_TRIAL_COMPLETED = ("No trials are completed yet.", "Record does not exist.")
"""Optuna's errors at the end of a search in which every trial has failed."""


class ThirdPartyConfigs(SearchPathPlugin):
    """Puts the folders that other packages declare as entry points of the group `srlab.conf` on Hydra's search path.

    The entry point's value names a package or folder of theirs, as ``theirs.conf``.
    """

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append each folder."""
        for point in entry_points(group="srlab.conf"):
            try:
                found = importlib.util.find_spec(point.value)
            except ModuleNotFoundError as error:
                raise Mistake(
                    f"{point.name} declares its configurations at {point.value}, which is not there: mend "
                    "its entry point of the group srlab.conf, or uninstall it."
                ) from error
            for folder in (found and found.submodule_search_locations) or ():
                search_path.append(provider=point.name, path=f"file://{folder}")


class SweepFolder(Callback):
    """Makes the folder of a sweep before its sweeper opens the study that is to lie there."""

    def on_multirun_start(self, config: DictConfig, **_: object) -> None:
        """Make the folder."""
        Path(config.hydra.sweep.dir).mkdir(parents=True, exist_ok=True)


def prepare() -> None:
    """Tell Hydra about our resolver and third parties' configurations, and OpenMP to be patient."""
    # Threads that spin while they wait slow torch down many times wherever loader workers want the same cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    OmegaConf.register_new_resolver("len", len, replace=True)
    Plugins.instance().register(ThirdPartyConfigs)


def quoted(arguments: Sequence[str]) -> list[str]:
    """Quote the values of `PATH_KEYS` for Hydra's parser; with ``-m`` a comma still separates choices."""
    return [_quoted(argument, sweeping(arguments)) for argument in arguments]


def sweeping(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for a sweep: by ``-m``, or by a choice from the group `sweep`."""
    choices = ("sweep=", "hydra.mode=MULTIRUN")
    return any(
        argument in ("-m", "--multirun")
        or (argument.startswith(choices) and argument != "sweep=null")
        for argument in arguments
    )


def searching(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for a search with Optuna."""
    return bool({"sweep=optuna", "hydra/sweeper=optuna"} & {*arguments})


def require_sweeper(arguments: Sequence[str]) -> None:
    """Raise a ``ModuleNotFoundError`` that says what to install, if a search with Optuna is asked for without it."""
    if searching(arguments) and not _installed("hydra-optuna-sweeper"):
        raise MissingPackage(
            'a search with Optuna needs Hydra\'s plugin for it: pip install "srlab[sweep]".'
        )


def _installed(name: str) -> bool:
    return any(True for _ in distributions(name=name))


def _is_path(key: str) -> bool:
    return key in PATH_KEYS or key.endswith(".weights")


def _quoted(argument: str, choices: bool) -> str:
    key, equals, value = argument.partition("=")
    if (
        not equals
        or not _is_path(key.lstrip("+"))
        or value in ("", "null")
        or (choices and "," in value)
    ):
        return argument
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return argument  # quoted by the user already
    if not key.startswith("hydra."):
        value = re.sub(r"(\\*)\$\{", r"\1\1\\${", os.path.expanduser(value))  # no interpolation
    # In Hydra's grammar backslashes are literal unless they stand before a quote.
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", value)
    escaped = re.sub(r"(\\+)$", r"\1\1", escaped)
    return f"{key}='{escaped}'"


def run(
    task: Callable[[DictConfig], float | None], *, config_name: str, arguments: Sequence[str]
) -> None:
    """Run a command with Hydra."""
    # Hydra knows no null for a group that nothing is chosen from by default
    chosen = [
        argument for argument in arguments if argument not in ("experiment=null", "sweep=null")
    ]
    # argparse wants flags before or after all overrides, and users put -m anywhere
    sys.argv[1:] = sorted(chosen, key=lambda argument: argument not in ("-m", "--multirun"))

    wanted = os.environ.get("HYDRA_FULL_ERROR")

    failures: list[str] = []

    @functools.wraps(task)
    def guarded(config: DictConfig) -> float | None:
        hydras = HydraConfig.get()
        # A sweep goes on with its other jobs where Hydra is given the error; it does not catch SystemExit.
        ended = nullcontext() if hydras.mode == RunMode.MULTIRUN else one_line_errors(config_name)
        with ended, full_errors(wanted), logged_errors(config_name, failures):
            overrides = [*hydras.overrides.hydra, *hydras.overrides.task]
            check_kinds(config, name=hydras.job.config_name or config_name, overrides=overrides)
            return task(config)

    with one_line_errors(config_name), full_errors("1"):
        check_choices(arguments)
        try:
            hydra.main(version_base="1.3", config_path=config_dir(), config_name=config_name)(
                guarded
            )()
        except ValueError as error:
            if not failures or str(error) not in NO_TRIAL_COMPLETED:
                raise
    if failures:
        sys.exit(f"error: {len(failures)} of the sweep's jobs failed, first of all: {failures[0]}")


def require(config: DictConfig, *keys: str) -> None:
    """Raise a ``ValueError`` that names the keys which were not given."""
    missing = [key for key in keys if OmegaConf.is_missing(config, key)]
    if missing:
        raise Mistake(
            f"{', '.join(missing)} must be given: {' '.join(f'{key}=PATH' for key in missing)}."
        )
