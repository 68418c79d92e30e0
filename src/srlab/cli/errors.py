"""Errors on the console: a mistake ends in one line, a bug shows its traceback.

Errors for the user are `Mistake`, Hydra's errors about a command line, and errors of the system
such as a full disk. Any other exception is a bug, ours or a third party's.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hydra.errors import HydraException, InstantiationException, MissingConfigException
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from srlab.cli.configuration import choices
from srlab.cli.unknown import unknown_key
from srlab.mistakes import Mistake

log = logging.getLogger(__name__)

INTERRUPTED = 130
"""The exit code after Ctrl-C, as in shells: 128 and the signal's number."""

_FULL_ERROR = "HYDRA_FULL_ERROR"
_FULL_DISK = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
_FORBIDDEN = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.ENAMETOOLONG,
)
_NOISE = ("full_key", "object_type", "See http", "To append")


@contextmanager
def one_line_errors(command: str = "train", arguments: Sequence[str] = ()) -> Iterator[None]:
    """Turn errors for the user of a `command` into one line and exit code 1.

    Ctrl-C ends in a line and exit code 130. ``HYDRA_FULL_ERROR=1`` shows every traceback.
    """
    try:
        yield
    except Exception as error:
        message = user_message(error, command, arguments)
        if message is None or _wants_tracebacks():
            raise
        sys.exit(f"error: {message}")
    except KeyboardInterrupt:
        if _wants_tracebacks():
            raise
        sys.stderr.write("interrupted\n")
        sys.exit(INTERRUPTED)


@contextmanager
def logged_errors(
    command: str, failures: list[str], arguments: Sequence[str] = ()
) -> Iterator[None]:
    """Write an error to a run's log file, append its line to `failures`, and raise it again."""
    try:
        yield
    except Exception as error:
        message = user_message(error, command, arguments)
        failures.append(message or f"{type(error).__name__}: {_one_line(str(error))}")
        traceback = None if message else sys.exc_info()
        record = log.makeRecord(log.name, logging.ERROR, __file__, 0, failures[-1], (), traceback)
        for handler in logging.getLogger().handlers:
            # Whoever catches the error prints it to the console.
            if isinstance(handler, logging.FileHandler):
                handler.handle(record)
        raise


@contextmanager
def full_errors(value: str | None) -> Iterator[None]:
    """Set or unset ``HYDRA_FULL_ERROR``; with 1, Hydra raises errors instead of printing them."""
    before = os.environ.get(_FULL_ERROR)
    _set_full_error(value)
    try:
        yield
    finally:
        _set_full_error(before)


def _set_full_error(value: str | None) -> None:
    if value is None:
        os.environ.pop(_FULL_ERROR, None)
    else:
        os.environ[_FULL_ERROR] = value


def _wants_tracebacks() -> bool:
    return os.environ.get(_FULL_ERROR) == "1"


def user_message(
    error: BaseException, command: str = "train", arguments: Sequence[str] = ()
) -> str | None:
    """Return the line for an error that is the user's to mend, and None for a bug.

    `arguments` are those of the `command`.
    """
    if isinstance(error, Mistake):
        return _without_worker(str(error))
    if isinstance(error, InstantiationException):
        return None
    if isinstance(error, HydraException | OmegaConfBaseException):
        return _of_composition(error, command, arguments)
    if isinstance(error, OSError):
        return _of_file(error)
    return None


def _without_worker(message: str) -> str:
    """Remove the traceback that torch puts around the message of an error in a loader worker."""
    if message.startswith("Caught ") and "DataLoader worker" in message:
        return message.strip().splitlines()[-1].partition(": ")[2]
    return _one_line(message)


def _of_file(error: OSError) -> str | None:
    if error.errno in _FULL_DISK:
        return (
            f"the disk is full, or a limit on files is reached ({error.strerror}); make room and "
            "try again."
        )
    if error.errno in _FORBIDDEN and error.filename:
        return f"{error.filename} cannot be used: {error.strerror}."
    return None


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _of_composition(
    error: HydraException | OmegaConfBaseException, command: str, arguments: Sequence[str]
) -> str:
    """Return in one line what Hydra and OmegaConf say about a command line in several."""
    cause = error.__cause__ if isinstance(error, HydraException) else error
    if isinstance(cause, MissingMandatoryValue):
        return f"{cause.full_key} must be given: {cause.full_key}=…."
    missing = re.search(r"Could not (?:find|load) '(?:(.+)/)?([^/']+)'", str(error))
    if isinstance(error, MissingConfigException) and missing and missing[1]:
        offered = ", ".join(choices(missing[1]))
        return f"{missing[1]}={missing[2]} does not exist; choose one of {offered}."
    if isinstance(cause, ConfigKeyError | ConfigAttributeError) and cause.full_key:
        return unknown_key(str(cause.full_key), command, arguments)
    foreign = re.match(r"Could not override '(.+)'\.\s*No match in the defaults list", str(error))
    if foreign:  # a group that belongs to another command
        return unknown_key(foreign[1], command, arguments)
    lines = [line.strip() for line in str(error).splitlines()]
    kept = [line for line in lines if line and not line.startswith(_NOISE)]
    return "; ".join(kept).replace(".;", ".")
