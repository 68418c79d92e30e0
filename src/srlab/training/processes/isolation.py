"""Isolation: the state of the process is the same after a run as before it."""

from __future__ import annotations

import logging
import os
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

_LOGGERS = ("lightning.pytorch", "lightning.fabric")
_HARMLESS_WARNINGS = (
    ".*does not have many workers.*",
    # The average of the weights is always in evaluation mode.
    ".*module.s. in eval mode at the start of training.*",
    # During pretraining, the discriminator's scheduler is stepped without its optimiser.
    ".*Detected call of .lr_scheduler.step.*",
    # Logged scores are means over all ranks already.
    ".*sync_dist=True.*",
    ".*isinstance.treespec, LeafSpec.*",
)


@contextmanager
def isolated() -> Iterator[None]:
    """Restore the state of the process at the end.

    The jobs of a sweep run one after another in one process. Each must give the same result as if
    it ran alone. These are restored: environment variables, random generators, torch's flags and
    number of threads, levels of loggers, and filters of warnings.
    """
    environment = dict(os.environ)
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    try:
        with _generators_kept(), _flags_kept(), warnings.catch_warnings():
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        os.environ.clear()
        os.environ.update(environment)


def quieten() -> None:
    """Hide messages of torch and Lightning about things that srlab does on purpose.

    Users then notice the messages that matter.
    """
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in _HARMLESS_WARNINGS:
        warnings.filterwarnings("ignore", message=message)


@contextmanager
def _generators_kept() -> Iterator[None]:
    """Restore the states of Python's, NumPy's and torch's random generators at the end."""
    python_state = random.getstate()
    numpy_state = np.random.get_state()
    torch_state = torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        torch.set_rng_state(torch_state)


@contextmanager
def _flags_kept() -> Iterator[None]:
    """Restore torch's flags and its number of threads at the end."""
    flags: Any = torch.utils.deterministic  # torch does not annotate its flags.
    deterministic = _deterministic()
    fill = flags.fill_uninitialized_memory
    benchmark = torch.backends.cudnn.benchmark
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        # If nothing changed, nothing is set: this would import torch's compiler for seconds.
        if _deterministic() != deterministic:
            enabled, warn_only = deterministic
            torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
        flags.fill_uninitialized_memory = fill
        torch.backends.cudnn.benchmark = benchmark
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)


def _deterministic() -> tuple[bool, bool]:
    """Return whether algorithms must be deterministic, and whether torch only warns if not."""
    enabled = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    return enabled, warn_only
