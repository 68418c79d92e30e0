"""Caches of decoded files: training reads the same files again and again."""

from srlab.data.caches.disk import DiskCache
from srlab.data.caches.memory import MemoryCache
from srlab.data.caches.protocol import Cache, kept

__all__ = ["Cache", "DiskCache", "MemoryCache", "kept"]
