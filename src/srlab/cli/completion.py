"""Completion in a shell, for ``srlab COMMAND`` and ``python -m srlab.COMMAND``.

Hydra finds what can follow; its own script for bash knows neither form.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from srlab.cli.configuration import commands

_FLAGS = frozenset({"-sc", "--shell-completion"})


def completion(arguments: Sequence[str]) -> str | None:
    """Return what bash is to evaluate, or None where a command line does not ask for that."""
    if not _FLAGS & {*arguments}:
        return None
    if "uninstall=bash" in arguments:
        return "complete -r srlab python python3\n"
    if "install=bash" in arguments:
        script = files("srlab.cli").joinpath("completion.bash").read_text(encoding="utf-8")
        return script.replace("COMMANDS", " ".join(commands()))
    return None
