"""Arrays in memory, and in files that hold nothing but numbers: ``.npy``, ``.npz`` and Zarr.

- ``axes``: which axis is which, by the name of the file or by convention
- ``memory``: a reader and a writer of arrays in memory
- ``npy``, ``npz``, ``zarr``: opening and creating each kind of file
- ``reader``, ``writer``: the classes that all three kinds share
- ``stored``: an array in a file, and the header of an ``.npy``
- ``deflated``: compressed arrays of an ``.npz``
- ``staged``: the arrays of an unfinished output
"""

from srlab.io.array.memory import ArrayReader, ArrayWriter

__all__ = ["ArrayReader", "ArrayWriter"]
