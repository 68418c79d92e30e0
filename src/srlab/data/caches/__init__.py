"""Caches of decoded files, since training reads the same files again and again.

`protocol` is the interface. `memory` and `disk` are the two caches. `encoding` stores physical
values exactly in few bytes, `tiles` lays them out in a file, and `telling` logs each message once.
"""

from srlab.data.caches.disk import DiskCache
from srlab.data.caches.memory import MemoryCache
from srlab.data.caches.protocol import Cache, kept

__all__ = ["Cache", "DiskCache", "MemoryCache", "kept"]
