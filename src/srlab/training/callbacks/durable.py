"""Checkpoint files that survive a killed process and a power failure."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from srlab.mistakes import FailedWrite


class DurableIO(TorchCheckpointIO):
    """Writes a checkpoint without a temporary file elsewhere, and waits until it is on the disk.

    A rename outlives a kill. After a loss of power, though, a renamed file may lack its data, so
    these are synced first. The folder is not synced: its former state is a good checkpoint, too.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: object = None
    ) -> None:
        """Write and wait for the disk; a `FailedWrite` if the disk is full."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # after a kill it may be a hard link to one of the best
        try:
            with path.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
        except (OSError, RuntimeError) as error:  # torch reports a full disk by a RuntimeError
            path.unlink(missing_ok=True)
            raise FailedWrite(
                f"a checkpoint could not be written to {path.parent}: "
                f"{' '.join(str(error).split())}. If the disk is full, make room; the checkpoints "
                "before are whole, and resume=last goes on from there."
            ) from error


def link(source: Path, target: Path) -> None:
    """Make `target` a second name of the file `source` in one move; without a file, remove it."""
    if not source.is_file():
        target.unlink(missing_ok=True)
        return
    unfinished = target.with_name(f".{target.name}.partial")
    unfinished.unlink(missing_ok=True)
    try:
        os.link(source, unfinished)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, unfinished)
    os.replace(unfinished, target)
