"""The device that a model runs on."""

from __future__ import annotations

import torch

from srlab.mistakes import Mistake


def chosen_device(name: str) -> torch.device:
    """Return the device called `name`; ``auto`` is the GPU if there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.zeros(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise Mistake(f"device={name} cannot be used here: {reason}; try device=auto.") from error
