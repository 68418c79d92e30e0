"""Log messages that appear once, whatever the number of files and workers."""

from __future__ import annotations

import logging

from torch.utils.data import get_worker_info

log = logging.getLogger(__name__)


class Once:
    """Logs one message in the life of a process; of a loader's workers, only the first logs."""

    def __init__(self, level: int) -> None:
        self._level = level
        self._told = False

    def tell(self, message: str) -> None:
        """Log the message, unless one was logged before."""
        worker = get_worker_info()
        if not self._told and (worker is None or worker.id == 0):
            log.log(self._level, "%s", message)
        self._told = True
