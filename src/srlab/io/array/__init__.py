"""Arrays in memory."""

from srlab.io.array.memory import ArrayReader, ArrayWriter

__all__ = ["ArrayReader", "ArrayWriter"]
