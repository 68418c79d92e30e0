"""Shell completion for ``srlab COMMAND`` and ``python -m srlab.COMMAND``.

Hydra finds the completions; its own bash script supports neither of these forms.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from srlab.cli.configuration import commands

_FLAGS = frozenset({"-sc", "--shell-completion"})


def completion(arguments: Sequence[str]) -> str | None:
    """Return the script for bash to evaluate, or None if the command line does not ask for it."""
    if not _FLAGS & {*arguments}:
        return None
    if "uninstall=bash" in arguments:
        return "complete -r srlab python python3\n"
    if "install=bash" in arguments:
        script = files("srlab.cli").joinpath("completion.bash").read_text(encoding="utf-8")
        return script.replace("COMMANDS", " ".join(commands()))
    return None
