"""Readers that end their process, as a library in C may over damaged bytes."""

import os
import signal
from pathlib import Path

import numpy as np

from srlab.io import Axis, Channel, Description
from srlab.mistakes import Mistake


class PixelReader:
    """One pixel, whose value is the number of the process that reads it."""

    description = Description((1, 1), (Axis("y"), Axis("x")), (Channel("1", dtype=np.dtype("f4")),))

    def __init__(self, path, *, bands=None):
        self.path, self._bands = path, bands

    def __str__(self):
        return str(self.path)

    def read(self, window):
        return np.full((1, 1, 1), os.getpid(), np.float32)

    def close(self):
        pass


class UnreadableReader(PixelReader):
    def __init__(self, path, *, bands=None):
        os.kill(os.getpid(), signal.SIGSEGV)


class TreacherousReader(PixelReader):
    """Opens, and ends its process when its pixels are read."""

    def read(self, window):
        os.kill(os.getpid(), signal.SIGABRT)


class OnceReader(PixelReader):
    """Ends the first process that reads its file, as if another file had damaged its memory."""

    def read(self, window):
        if Path(self.path).read_bytes():
            Path(self.path).write_bytes(b"")
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().read(window)


class FaultyReader(PixelReader):
    def read(self, window):
        if self._bands:
            raise Mistake("no such band")
        raise KeyError("a fault of the program")
