"""Arrays in memory, and in files that hold nothing but numbers."""

from srlab.io.array.memory import ArrayReader, ArrayWriter

__all__ = ["ArrayReader", "ArrayWriter"]
