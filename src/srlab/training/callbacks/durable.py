"""Checkpoint files that are whole after a killed process or a power failure."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from srlab.mistakes import FailedWrite


class DurableIO(TorchCheckpointIO):
    """Writes a checkpoint directly into its folder, and waits until it is on the disk.

    The caller then renames the file. After a power failure, a renamed file may lack its data if
    these were not synced before. The folder is not synced, since its earlier state also holds a
    whole checkpoint.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: object = None
    ) -> None:
        """Write, and wait for the disk; raises a `FailedWrite` if that fails."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        # If a run was killed, the file may be a hard link to one of the best checkpoints.
        path.unlink(missing_ok=True)
        try:
            with path.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
        except (OSError, RuntimeError) as error:  # torch raises a RuntimeError for a full disk.
            path.unlink(missing_ok=True)
            reason = " ".join(str(error).split())
            raise FailedWrite(
                f"a checkpoint could not be written to {path.parent}: {reason}. If the disk is "
                "full, make room; earlier checkpoints are whole, so continue with resume=last."
            ) from error


def link(source: Path, target: Path) -> None:
    """Make `target` a second name of the file `source` in one move.

    If `source` is missing, `target` is removed.
    """
    if not source.is_file():
        target.unlink(missing_ok=True)
        return
    unfinished = target.with_name(f".{target.name}.partial")
    unfinished.unlink(missing_ok=True)
    try:
        os.link(source, unfinished)
    except OSError:  # The file system has no hard links.
        shutil.copyfile(source, unfinished)
    os.replace(unfinished, target)
