"""Reading files in another process, which is watched for time, crashes and memory."""

import ast
import os
import select
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

WORKER = Path(__file__).with_name("reading_worker.py")


@dataclass(frozen=True)
class Outcome:
    kind: str
    """``read``, ``mistake``, ``error``, ``crash`` or ``hang``."""

    message: str = ""

    megabytes: int = 0
    """The most that the process has needed so far."""


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
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], seconds)[0]:
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
        assert self._ask(os.devnull, 60).kind == "mistake"  # so its imports are done
