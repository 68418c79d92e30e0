"""Packages that a logger needs."""

from __future__ import annotations

import importlib.util

from srlab.mistakes import MissingPackage


def require(module: str, *, title: str, package: str) -> None:
    """Raise a `MissingPackage` that says what to install if `module` is not there."""
    if importlib.util.find_spec(module) is None:
        raise MissingPackage(
            f"{title} is not installed: pip install {package}, or choose another logger=."
        )
