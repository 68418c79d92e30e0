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
from importlib.metadata import distributions, entry_points
from pathlib import Path

import hydra
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.errors import InstantiationException
from hydra.experimental.callback import Callback
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


class SweepFolder(Callback):
    """Makes the folder of a sweep before its sweeper opens the study that is to lie there."""

    def on_multirun_start(self, config: DictConfig, **_: object) -> None:
        """Make the folder."""
        Path(config.hydra.sweep.dir).mkdir(parents=True, exist_ok=True)


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
    return [_quoted(argument, sweeping(arguments)) for argument in arguments]


def sweeping(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for a sweep: by ``-m``, or by a choice from the group `sweep`."""
    choices = ("sweep=", "hydra.mode=MULTIRUN")
    return any(
        argument in ("-m", "--multirun") or (argument.startswith(choices) and argument != "sweep=null")
        for argument in arguments
    )


def searching(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for a search with Optuna."""
    return bool({"sweep=optuna", "hydra/sweeper=optuna"} & {*arguments})


def require_sweeper(arguments: Sequence[str]) -> None:
    """Raise a ``ModuleNotFoundError`` that says what to install, if a search with Optuna is asked for without it."""
    if searching(arguments) and not _installed("hydra-optuna-sweeper"):
        raise ModuleNotFoundError('a search with Optuna needs Hydra\'s plugin for it: pip install "srlab[sweep]".')


def _installed(name: str) -> bool:
    return any(True for _ in distributions(name=name))


def _is_path(key: str) -> bool:
    return key in PATH_KEYS or key.endswith(".weights")


def _quoted(argument: str, choices: bool) -> str:
    key, equals, value = argument.partition("=")
    if not equals or not _is_path(key.lstrip("+")) or value in ("", "null") or (choices and "," in value):
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
        with one_line_errors(config):
            return task(config)

    hydra.main(version_base="1.3", config_path=config_dir(), config_name=config_name)(guarded)()


def require(config: DictConfig, *keys: str) -> None:
    """Raise a ``ValueError`` that names the keys which were not given."""
    missing = [key for key in keys if OmegaConf.is_missing(config, key)]
    if missing:
        raise ValueError(f"{', '.join(missing)} must be given: {' '.join(f'{key}=PATH' for key in missing)}.")


@contextmanager
def one_line_errors(config: DictConfig | None = None) -> Iterator[None]:
    """Turn an error that is meant for the user into one line and exit code 1; let a bug show its traceback.

    Ctrl-C ends in a line and exit code 130, too. ``HYDRA_FULL_ERROR=1`` shows every traceback.
    """
    try:
        yield
    except Exception as error:
        message = user_message(error, config)
        if message is None or os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        sys.exit(f"error: {message}")
    except KeyboardInterrupt:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        sys.stderr.write("interrupted\n")
        sys.exit(INTERRUPTED)


@contextmanager
def naming(key: str) -> Iterator[None]:
    """Have an error name the key whose class or function it comes from, as one does that Hydra calls itself."""
    try:
        yield
    except Exception as error:
        raise InstantiationException(f"{error!r}{_KEY}{key}") from error


_KEY = "\nfull_key: "  # how the last line of Hydra's messages begins


def user_message(error: BaseException, config: DictConfig | None = None) -> str | None:
    """What to tell the user of an error that is meant for them; None for any other error, which is a bug.

    Meant for them are errors that our own code raised, and those of what a key of `config` names, wherever raised.
    """
    instantiating, key = isinstance(error, InstantiationException), ""
    while isinstance(error, InstantiationException):
        key = str(error).partition(_KEY)[2]
        if error.__cause__ is None:
            break
        error = error.__cause__
    if str(error).startswith("Caught ") and "DataLoader worker" in str(error):
        return str(error).strip().splitlines()[-1].partition(": ")[2]
    if isinstance(error, AssertionError):
        return None
    if instantiating and (isinstance(error, TypeError) or not _ours(error)):
        reason = " ".join(str(error).partition(_KEY)[0].split()) or type(error).__name__
        return f"{f'{key}: ' if key else ''}{reason}{_texts(config, key) if _of_types(error) else ''}"
    return str(error) if _ours(error) else None


def _of_types(error: BaseException) -> bool:
    return isinstance(error, TypeError) and "'str'" in str(error)


def _ours(error: BaseException) -> bool:
    """Whether our own code raised it, or it says that training diverged."""
    frames = traceback.extract_tb(error.__traceback__)
    raised_here = bool(frames) and frames[-1].filename.startswith(str(Path(__file__).parent))
    return raised_here or isinstance(error, FloatingPointError)


def _texts(config: DictConfig | None, key: str) -> str:
    """The values of a node that are text, where a number may have been meant."""
    node = OmegaConf.select(config, key) if config is not None else None
    values = dict(node.items()) if isinstance(node, DictConfig) else {}
    texts = [f"{name!s}={value}" for name, value in values.items() if isinstance(value, str) and name != "_target_"]
    return f" (text is {', '.join(texts)})" if texts else ""
