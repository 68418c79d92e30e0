"""Command lines before Hydra reads them: paths that survive its grammar, and sweeps."""

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
"""Keys whose values are file names and are taken as they stand; so are ``*.weights``."""

PATHS_OR_LISTS = frozenset({"model", "input", "split.files"})
"""Keys whose values are file names as well, unless they are lists in brackets."""

PATTERNS = ("{name}", "{date}")
"""What makes any other value a pattern of file names; in Hydra's grammar it would be a table."""

_FLAGS_WITH_VALUES = frozenset(
    {
        *("--cfg", "-c", "--package", "-p"),
        *("--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd"),
        "--experimental-rerun",
    }
)

NOTHING = ("", "''", '""', "{}")
"""Values that change nothing."""


def quoted(arguments: Sequence[str]) -> list[str]:
    """Quote file names and patterns of them for Hydra; in a sweep commas still separate choices."""
    return [_quoted(argument, sweeping(arguments)) for argument in arguments]


def sweeping(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for a sweep, by ``-m`` or by a choice from the group `sweep`."""
    flags = {"-m", "--multirun"} & {*arguments}
    choices = ("sweep=", "hydra.mode=MULTIRUN")
    chosen = [each for each in arguments if each.startswith(choices) and each != "sweep=null"]
    return bool(flags or chosen)


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
    """Raise a `Mistake` for a value without a key, and for a key with nothing behind it.

    An unset variable leaves the second. Groups, from which nothing can be chosen, have a message of
    their own.
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
    """Put Hydra's flags before the overrides: argparse wants them apart, and users mix them."""
    given = overrides(arguments)
    flags = [argument for argument in arguments if argument not in given]
    return [*flags, *given]


def overrides(arguments: Sequence[str]) -> list[str]:
    """Return a command line without Hydra's flags and their values."""
    after_flag = [False, *(argument in _FLAGS_WITH_VALUES for argument in arguments)]
    pairs = zip(arguments, after_flag, strict=False)
    return [each for each, is_value in pairs if not is_value and not each.startswith("-")]


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
