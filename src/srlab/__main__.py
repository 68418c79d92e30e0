"""``srlab COMMAND …``, the same as ``python -m srlab.COMMAND …``; ``srlab`` lists the commands."""

from __future__ import annotations

import difflib
import runpy
import sys

from srlab.cli.completion import completion
from srlab.cli.configuration import commands
from srlab.cli.errors import one_line_errors
from srlab.cli.streams import patient_output
from srlab.mistakes import Mistake


def main() -> None:
    """Run a command as Python would run its module, or list all commands."""
    name, *arguments = sys.argv[1:] or ["--help"]
    script = completion(sys.argv[1:])
    with one_line_errors(), patient_output():
        if script or name in ("-h", "--help"):
            sys.stdout.write(script or _listed())
            return
        _check(name)
    sys.argv[1:] = arguments
    # Lightning starts further processes of a run by the name of the main module.
    runpy.run_module(f"srlab.{name}", run_name="__main__", alter_sys=True)


def _listed() -> str:
    found = commands()
    width = max(map(len, found))
    lines = [f"  srlab {name:<{width}}   {summary}" for name, summary in found.items()]
    return "\n".join(
        [
            "Train GANs that super-resolve any kind of image, and apply them to files of any size.",
            *("", "Commands:", *lines, ""),
            "srlab COMMAND --help says what each takes. python -m srlab.COMMAND is the same.",
            'Completion in bash: eval "$(srlab -sc install=bash)"',
            "",
        ]
    )


def _check(name: str) -> None:
    """Raise a `Mistake` for a command that does not exist."""
    offered = [*commands()]
    if name in offered:
        return
    similar = difflib.get_close_matches(name, offered, n=1)
    hint = f"did you mean {similar[0]}?" if similar else f"the commands are {', '.join(offered)}."
    raise Mistake(f"{name} is no command of srlab; {hint}")


if __name__ == "__main__":
    main()
