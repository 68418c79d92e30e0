"""Preparing of command lines for Hydra: quoting of paths, order of flags, kinds of sweeps."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from importlib.metadata import distributions

from srlab.mistakes import MissingPackage, Mistake

PATH_KEYS = frozenset(
    {
        "guide",
        "dates",
        "output",
        "json",
        "data.root",
        "data.lr_root",
        "split.path",
        "data.guide_root",
        "resume",
        "weights",
        "hydra.run.dir",
        "hydra.sweep.dir",
    }
)
"""Keys whose values are file names, taken literally; so are the values of ``*.weights``."""

PATHS_OR_LISTS = frozenset({"model", "input", "split.files"})
"""Keys whose values are file names, or lists in brackets."""

PATTERNS = ("{name}", "{date}")
"""Parts of file-name patterns; Hydra's grammar would read such braces as a dictionary."""

_FLAGS_WITH_VALUES = frozenset(
    {
        *("--cfg", "-c", "--package", "-p"),
        *("--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd"),
        "--experimental-rerun",
    }
)

NOTHING = ("", "''", '""', "{}")
"""Values that are empty."""


def quoted(arguments: Sequence[str]) -> list[str]:
    """Quote file names and their patterns for Hydra; in a sweep, commas still separate values."""
    return [_quoted(argument, sweeping(arguments)) for argument in arguments]


def sweeping(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for a sweep, by ``-m`` or by a choice from the group `sweep`."""
    for argument in arguments:
        if argument in ("-m", "--multirun"):
            return True
        if argument.startswith(("sweep=", "hydra.mode=MULTIRUN")) and argument != "sweep=null":
            return True
    return False


def searching(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for a search with Optuna."""
    return bool({"sweep=optuna", "hydra/sweeper=optuna"} & {*arguments})


def require_sweeper(arguments: Sequence[str]) -> None:
    """Raise a `MissingPackage` if a search with Optuna is asked for and its plugin is missing."""
    if searching(arguments) and not any(distributions(name="hydra-optuna-sweeper")):
        raise MissingPackage(
            'a search with Optuna needs Hydra\'s plugin for it: pip install "srlab[sweep]".'
        )


def check_values_given(arguments: Sequence[str]) -> None:
    """Raise a `Mistake` for a value without a key, and for a key without a value.

    A key without a value is often left by an unset variable of the shell. Groups have a message of
    their own (`srlab.cli.configuration.check_choices`).
    """
    for argument in arguments:
        flag, equals, _ = argument.partition("=")
        if equals and flag.startswith("--") and flag not in {*_FLAGS_WITH_VALUES, "--info"}:
            raise Mistake(f"{argument}: settings have no dashes, write {argument.lstrip('-')}.")
    for argument in overrides(arguments):
        key, equals, value = argument.partition("=")
        if not equals and not argument.startswith("~") and "--info" not in arguments:
            raise Mistake(
                f"{argument} stands without a key: write KEY=VALUE without dashes, as in "
                "seed=1; --help lists the keys."
            )
        if equals and value.strip() in NOTHING:
            raise Mistake(
                f"{argument} gives no value; is a variable of the shell not set? Write "
                f"{key}=null for none."
            )


def flags_first(arguments: Sequence[str]) -> list[str]:
    """Put Hydra's flags before the overrides; argparse fails where users mix them."""
    settings = overrides(arguments)
    flags = [argument for argument in arguments if argument not in settings]
    return [*flags, *settings]


def overrides(arguments: Sequence[str]) -> list[str]:
    """Return a command line without Hydra's flags and their values."""
    settings = []
    previous = ""
    for argument in arguments:
        is_flag = argument.startswith("-")
        if not is_flag and previous not in _FLAGS_WITH_VALUES:
            settings.append(argument)
        previous = argument
    return settings


def _is_path(key: str, value: str) -> bool:
    if key in PATHS_OR_LISTS:
        return not (value.startswith("[") and value.endswith("]"))
    is_pattern = any(word in value for word in PATTERNS)
    return key in PATH_KEYS or key.endswith(".weights") or is_pattern


def _quoted(argument: str, choices: bool) -> str:
    key, equals, value = argument.partition("=")
    if key in PATHS_OR_LISTS and _chooses_images(value):
        names = map(str.strip, value[1:-1].split(","))
        return f"{key}=[{','.join(map(_literal, names))}]"
    if not equals or not _is_path(key.lstrip("+"), value) or value in ("", "null"):
        return argument
    if choices and "," in value:
        return argument
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return argument  # quoted by the user already
    if not key.startswith("hydra."):
        value = re.sub(r"(\\*)\$\{", r"\1\1\\${", os.path.expanduser(value))  # no interpolation
    return f"{key}={_literal(value)}"


def _chooses_images(value: str) -> bool:
    """Whether a list without quotes names images in files: Hydra's grammar knows no ``#``."""
    quotes = {*value} & {*"'\""}
    return value.startswith("[") and value.endswith("]") and "#" in value and not quotes


def _literal(value: str) -> str:
    # In Hydra's grammar backslashes are literal unless they stand before a quote.
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", value)
    escaped = re.sub(r"(\\+)$", r"\1\1", escaped)
    return f"'{escaped}'"
