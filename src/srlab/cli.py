"""What the commands share: where the configuration lies, paths that survive Hydra's grammar, errors of one line."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path

import hydra
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.errors import InstantiationException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf

PATH_KEYS = frozenset(
    {"model", "input", "output", "data.root", "resume", "weights", "hydra.run.dir", "hydra.sweep.dir"}
)
"""Keys whose values are taken as they stand, with whatever signs a file name may have; so is every ``*.weights``."""

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it: 128 and the signal's number."""


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
                raise ValueError(
                    f"{point.name} declares its configurations at {point.value}, which is not there: mend "
                    "its entry point of the group srlab.conf, or uninstall it."
                ) from error
            for folder in (found and found.submodule_search_locations) or ():
                search_path.append(provider=point.name, path=f"file://{folder}")


def config_dir() -> str:
    """The folder of YAMLs: inside the installed package, or beside `src` in a checkout."""
    package = Path(__file__).parent
    return str(next(folder for folder in (package / "conf", package.parents[1] / "conf") if folder.is_dir()))


def prepare() -> None:
    """Tell Hydra about our resolver and third parties' configurations, and OpenMP to be patient."""
    # Threads that spin while they wait slow torch down many times wherever loader workers want the same cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    OmegaConf.register_new_resolver("len", len, replace=True)
    Plugins.instance().register(ThirdPartyConfigs)


def quoted(arguments: Sequence[str]) -> list[str]:
    """Quote the values of `PATH_KEYS` for Hydra's parser; with ``-m`` a comma still separates choices."""
    sweeping = any(argument in ("-m", "--multirun") for argument in arguments)
    return [_quoted(argument, sweeping) for argument in arguments]


def _is_path(key: str) -> bool:
    return key in PATH_KEYS or key.endswith(".weights")


def _quoted(argument: str, sweeping: bool) -> str:
    key, equals, value = argument.partition("=")
    if not equals or not _is_path(key.lstrip("+")) or value in ("", "null") or (sweeping and "," in value):
        return argument
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return argument  # quoted by the user already
    if not key.startswith("hydra."):
        value = re.sub(r"(\\*)\$\{", r"\1\1\\${", os.path.expanduser(value))  # no interpolation
    # In Hydra's grammar backslashes are literal unless they stand before a quote.
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", value)
    escaped = re.sub(r"(\\+)$", r"\1\1", escaped)
    return f"{key}='{escaped}'"


def run(task: Callable[[DictConfig], float | None], *, config_name: str, arguments: Sequence[str]) -> None:
    """Run a command with Hydra."""
    # argparse wants flags before or after all overrides, and users put -m anywhere
    sys.argv[1:] = sorted(arguments, key=lambda argument: argument not in ("-m", "--multirun"))

    @functools.wraps(task)
    def guarded(config: DictConfig) -> float | None:
        with one_line_errors():
            return task(config)

    hydra.main(version_base="1.3", config_path=config_dir(), config_name=config_name)(guarded)()


def require(config: DictConfig, *keys: str) -> None:
    """Raise a ``ValueError`` that names the keys which were not given."""
    missing = [key for key in keys if OmegaConf.is_missing(config, key)]
    if missing:
        raise ValueError(f"{', '.join(missing)} must be given: {' '.join(f'{key}=PATH' for key in missing)}.")


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn an error that is meant for the user into one line and exit code 1; let a bug show its traceback.

    Ctrl-C ends in a line and exit code 130, too. ``HYDRA_FULL_ERROR=1`` shows every traceback.
    """
    try:
        yield
    except Exception as error:
        message = user_message(error)
        if message is None or os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        sys.exit(f"error: {message}")
    except KeyboardInterrupt:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        sys.stderr.write("interrupted\n")
        sys.exit(INTERRUPTED)


def user_message(error: BaseException) -> str | None:
    """What to tell the user of an error that our own code raised for them; None for any other error, which is a bug."""
    while isinstance(error, InstantiationException) and error.__cause__ is not None:
        error = error.__cause__
    if str(error).startswith("Caught ") and "DataLoader worker" in str(error):
        return str(error).strip().splitlines()[-1].partition(": ")[2]
    frames = traceback.extract_tb(error.__traceback__)
    ours = str(Path(__file__).parent)
    if not frames or not frames[-1].filename.startswith(ours) or isinstance(error, AssertionError):
        return None
    return str(error)
