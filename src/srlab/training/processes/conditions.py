"""The conditions, besides the configuration, on which the last bit of a result depends."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import torch

import srlab

log = logging.getLogger(__name__)


def conditions(processes: int) -> dict[str, str]:
    """Return the conditions of this run, by name."""
    return {
        "srlab": srlab.__version__,
        "torch": str(torch.__version__),
        "processes": str(processes),
        "threads": str(torch.get_num_threads()),
    }


def warn_of_changes(before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Warn of each condition that keeps a resumed run from equalling the uninterrupted one."""
    for name, value in now.items():
        if before.get(name) != value:
            log.warning(
                "resuming with %s %s, where the run had %s: results may differ in the last bits",
                name, value, before.get(name),
            )  # fmt: skip
