"""Reads the files whose names come in on standard input, and tells how each went.

It is a process of its own, so that a crash, a hang or a great need of memory is seen from outside.
"""

import os
import re
import sys
from contextlib import suppress
from itertools import product
from pathlib import Path

from watched_reading import family

from srlab.io import open_reader
from srlab.mistakes import Mistake

SIDE = 256
"""Pixels along each axis of the windows that are read."""


def corners(shape):
    """Return windows at the ends of every axis, or the whole of a small image."""
    ends = [{(0, min(size, SIDE)), (max(size - SIDE, 0), size)} for size in shape]
    return [[slice(*span) for span in spans] for spans in product(*ends)]


def outcome(path):
    try:
        reader = open_reader(path)
        for window in corners(reader.description.shape):
            reader.read(tuple(window))
        reader.close()
    except Mistake as mistake:
        return "mistake", str(mistake)
    except Exception as error:
        return "error", f"{type(error).__name__}: {error}"
    return "read", ""


def most_megabytes():
    """The most memory that a process here has needed; ru_maxrss would count its parent's, too."""
    return max(map(megabytes_of, family(os.getpid())))


def megabytes_of(process):
    """The most memory that a process has needed; 0 of one that has just ended."""
    with suppress(OSError):
        status = Path(f"/proc/{process}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(found[1]) // 1024 if found else 0
    return 0


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries may print
    for line in sys.stdin:
        kind, message = outcome(line.rstrip("\n"))
        answers.write(f"{kind}\t{most_megabytes()}\t{message!r}\n")
        answers.flush()


if __name__ == "__main__":
    main()
