"""A user's mistake ends in one line; a bug shows its traceback."""

from __future__ import annotations

import difflib
import errno
import logging
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra.errors import HydraException, InstantiationException, MissingConfigException
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from srlab.cli.configuration import choices, composed, keys

log = logging.getLogger(__name__)

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it: 128 and the signal's number."""

_FULL = "HYDRA_FULL_ERROR"
_KEY = "\nfull_key: "  # how the last line of Hydra's messages begins
_OF_LIBRARIES = (
    "MisconfigurationException",
)  # Lightning's, by name, as it is imported only where it is needed

_FULL_DISK = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
_NOISE = ("full_key", "object_type", "See http", "To append")


@contextmanager
def one_line_errors(command: str = "train") -> Iterator[None]:
    """Turn an error that is meant for the user of a `command` into one line and exit code 1; let a bug show itself.

    Ctrl-C ends in a line and exit code 130, too. ``HYDRA_FULL_ERROR=1`` shows every traceback.
    """
    try:
        yield
    except Exception as error:
        message = user_message(error, command)
        if message is None or _full():
            raise
        sys.exit(f"error: {message}")
    except KeyboardInterrupt:
        if _full():
            raise
        sys.stderr.write("interrupted\n")
        sys.exit(INTERRUPTED)


@contextmanager
def logged_errors(command: str, failures: list[str]) -> Iterator[None]:
    """Write an error into the log file of a run, and add its line to `failures`; then let it pass."""
    try:
        yield
    except Exception as error:
        message = user_message(error, command)
        failures.append(message or f"{type(error).__name__}: {_one_line(str(error))}")
        record = log.makeRecord(
            log.name,
            logging.ERROR,
            __file__,
            0,
            failures[-1],
            (),
            None if message else sys.exc_info(),
        )
        for handler in logging.getLogger().handlers:
            if isinstance(
                handler, logging.FileHandler
            ):  # the console has the error from whoever catches it
                handler.handle(record)
        raise


@contextmanager
def full_errors(value: str | None) -> Iterator[None]:
    """Give ``HYDRA_FULL_ERROR`` a value, or none: with 1 Hydra raises errors, which it else prints in many lines."""
    before = os.environ.pop(_FULL, None)
    if value is not None:
        os.environ[_FULL] = value
    try:
        yield
    finally:
        os.environ.pop(_FULL, None)
        if before is not None:
            os.environ[_FULL] = before


def _full() -> bool:
    return os.environ.get(_FULL) == "1"


@contextmanager
def naming(key: str) -> Iterator[None]:
    """Have an error name the key whose class or function it comes from, as one does that Hydra calls itself."""
    try:
        yield
    except Exception as error:
        raise InstantiationException(f"{error!r}{_KEY}{key}") from error


def user_message(error: BaseException, command: str = "train") -> str | None:
    """What to tell the user of an error that is meant for them; None for any other error, which is a bug.

    Meant for them are errors that our own code raised, those of what a key of the configuration names, wherever raised,
    those of the command line and of files.
    """
    instantiating, key = isinstance(error, InstantiationException), ""
    while isinstance(error, InstantiationException):
        key = str(error).partition(_KEY)[2]
        if error.__cause__ is None:
            break
        error = error.__cause__
    if str(error).startswith("Caught ") and "DataLoader worker" in str(error):
        return str(error).strip().splitlines()[-1].partition(": ")[2]
    if isinstance(error, HydraException | OmegaConfBaseException) and not instantiating:
        return _of_composition(error, command)
    if instantiating and (isinstance(error, TypeError | AssertionError) or not _ours(error)):
        reason = _one_line(str(error).partition(_KEY)[0]) or type(error).__name__
        return f"{key}: {reason}" if key else reason
    if isinstance(error, AssertionError):
        return None
    if isinstance(error, OSError) and error.errno:
        return _of_file(error)
    return _one_line(str(error)) if _ours(error) else None


def _ours(error: BaseException) -> bool:
    """Whether our own code raised it, or it says that training diverged, or Lightning that it cannot be done so."""
    frames = traceback.extract_tb(error.__traceback__)
    raised_here = bool(frames) and frames[-1].filename.startswith(str(Path(__file__).parents[1]))
    return (
        raised_here
        or isinstance(error, FloatingPointError)
        or type(error).__name__ in _OF_LIBRARIES
    )


def _of_file(error: OSError) -> str | None:
    if error.errno in _FULL_DISK:
        return f"the disk is full, or a limit on files is reached ({error.strerror}); make room and try again."
    return (
        f"{error.filename} cannot be used: {error.strerror}."
        if error.filename and error.strerror
        else None
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _of_composition(error: HydraException | OmegaConfBaseException, command: str) -> str:
    """One line for what Hydra and OmegaConf say of a command line in several."""
    cause = error.__cause__ if isinstance(error, HydraException) else error
    if isinstance(cause, MissingMandatoryValue):
        return f"{cause.full_key} must be given: {cause.full_key}=…."
    missing = re.search(r"Could not (?:find|load) '(?:(.+)/)?([^/']+)'", str(error))
    if isinstance(error, MissingConfigException) and missing and missing[1]:
        return f"{missing[1]}={missing[2]} does not exist; choose one of {', '.join(choices(missing[1]))}."
    if isinstance(cause, ConfigKeyError | ConfigAttributeError) and cause.full_key:
        return f"{cause.full_key} is no key of the configuration{_similar(cause.full_key, command)} --help lists them all."
    lines = [line.strip() for line in str(error).splitlines()]
    kept = [line for line in lines if line and not line.startswith(_NOISE)]
    return "; ".join(kept).replace(".;", ".")


def _similar(key: str, command: str) -> str:
    """Suggest the keys of a command's whole configuration that are spelt alike."""
    close = difflib.get_close_matches(key, keys(composed(command)), n=3)
    return f"; did you mean {' or '.join(close)}?" if close else ";"
