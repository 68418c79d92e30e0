"""Reading files in another process, which is watched for time, crashes and memory.

Its own time counts, and that of its children: how busy the machine is makes no difference.
"""

import ast
import os
import select
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LONGEST_WAIT = 300
"""Seconds after which a process hangs that needs no processor."""

WORKER = Path(__file__).with_name("reading_worker.py")


@dataclass(frozen=True)
class Outcome:
    kind: str
    """``read``, ``mistake``, ``error``, ``crash`` or ``hang``."""

    message: str = ""

    megabytes: int = 0
    """The most that the process has needed so far."""


def family(process):
    """Return the numbers of a process and of its children, as Linux lists them."""
    children = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):  # a thread may end just now
            children += map(int, task.read_text().split())
    return [process, *children]


class WatchedReading:
    """A process that reads files; after a crash or a hang the next file gets a new one."""

    def __init__(self, seconds=5.0):
        self._seconds = seconds
        self._process = None

    def __call__(self, path):
        """Return how reading a file went."""
        if self._process is None:
            self._start()
        return self._ask(path, self._seconds)

    def _ask(self, path, seconds):
        begin, used = time.monotonic(), self._seconds_used()
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        while not select.select([self._process.stdout], [], [], 0.2)[0]:
            waited = time.monotonic() - begin
            if self._seconds_used() - used > seconds or waited > LONGEST_WAIT:
                self.close()
                return Outcome("hang")
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            self._process = None
            return Outcome("crash", f"exit {code}")
        kind, megabytes, message = line.rstrip("\n").split("\t")
        return Outcome(kind, ast.literal_eval(message), int(megabytes))

    def close(self):
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._process = None

    def _seconds_used(self):
        """Return the seconds of a processor; 0 where the system does not tell."""
        seconds = 0.0
        for process in family(self._process.pid):
            with suppress(OSError):  # it ends just now
                fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
                seconds += sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
        return seconds

    def _start(self):
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        assert self._ask(os.devnull, 120).kind == "mistake"  # so its imports are done
