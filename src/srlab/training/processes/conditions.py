"""The conditions of a run, besides its configuration, that can change the last bits of a result."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import torch

import srlab

log = logging.getLogger(__name__)


def conditions(processes: int) -> dict[str, str]:
    """Return the conditions of a run with a number of `processes`, by name."""
    return {
        "srlab": srlab.__version__,
        "torch": str(torch.__version__),
        "processes": str(processes),
        "threads": str(torch.get_num_threads()),
    }


def warn_of_changes(before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Warn of each changed condition: a resumed run may then differ from the uninterrupted one."""
    for name, value in now.items():
        if before.get(name) != value:
            log.warning(
                "resuming with %s %s; the run began with %s, so results may differ in the last "
                "bits",
                name, value, before.get(name),
            )  # fmt: skip
