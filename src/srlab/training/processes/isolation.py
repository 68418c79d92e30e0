"""The state of the process that a run changes and leaves as it was."""

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
_HARMLESS = (
    ".*does not have many workers.*",
    ".*module.s. in eval mode at the start of training.*",  # the weight average always is
    ".*Detected call of .lr_scheduler.step.*",  # the discriminator's counts while it still rests
    ".*sync_dist=True.*",  # the means are over all ranks already
    ".*isinstance.treespec, LeafSpec.*",
)


@contextmanager
def isolated() -> Iterator[None]:
    """Leave the process as it was found.

    The jobs of a sweep run in one process, one after another, and each is then as it would be
    alone. Restored are environment variables, random generators, torch's flags and threads, the
    levels of loggers and the filters of warnings.
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
    """Silence torch and Lightning about what srlab does on purpose, so that users read the rest."""
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in _HARMLESS:
        warnings.filterwarnings("ignore", message=message)


@contextmanager
def _generators_kept() -> Iterator[None]:
    python, numpy, of_torch = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(of_torch)


@contextmanager
def _flags_kept() -> Iterator[None]:
    memory: Any = torch.utils.deterministic  # torch declares none of its flags
    deterministic = _deterministic()
    fill = memory.fill_uninitialized_memory
    benchmark, threads = torch.backends.cudnn.benchmark, torch.get_num_threads()
    try:
        yield
    finally:
        if _deterministic() != deterministic:  # to set it, torch imports its compiler for seconds
            torch.use_deterministic_algorithms(deterministic[0], warn_only=deterministic[1])
        memory.fill_uninitialized_memory = fill
        torch.backends.cudnn.benchmark = benchmark
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)


def _deterministic() -> tuple[bool, bool]:
    """Whether algorithms must be deterministic, and whether torch only warns where they are not."""
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
