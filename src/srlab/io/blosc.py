"""Checks of Blosc-compressed chunks in Zarr stores, before the C library decodes them.

The library trusts the sizes in a chunk's header: a few damaged bytes there crash the process.
"""

from __future__ import annotations

import struct
from functools import cached_property
from typing import Any

import numcodecs
import zarr
from numcodecs.blosc import Blosc
from zarr.codecs import BloscCodec
from zarr.registry import register_codec

from srlab.io.damage import MOST_BLOCK

HEADER = struct.Struct("<4B3I")
"""The header of a chunk: four bytes, then its decoded size, block size and stored size in bytes."""


class CheckedBlosc(Blosc):  # type: ignore[misc]  # numcodecs has no types
    """The Blosc codec of numcodecs, but a `ValueError` for sizes that contradict the chunk."""

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Decode a chunk."""
        chunk = memoryview(buf).cast("B")
        if len(chunk) < HEADER.size:
            raise ValueError(f"a chunk of {len(chunk)} bytes is too short")
        *_, decoded, block, stored = HEADER.unpack_from(chunk)
        if stored != len(chunk):
            raise ValueError(f"a chunk of {len(chunk)} bytes says it has {stored}")
        if decoded > MOST_BLOCK or not 0 < block <= decoded:
            raise ValueError(f"a chunk says it has {decoded} bytes in blocks of {block}")
        return super().decode(buf, out)


class CheckedBloscCodec(BloscCodec):
    """The same check in the codec that zarr uses for stores of format 3."""

    @cached_property
    def _blosc_codec(self) -> Blosc:
        settings = super()._blosc_codec.get_config()
        settings.pop("id")
        return CheckedBlosc(**settings)


def check_blosc() -> None:
    """Make zarr decode Blosc chunks with the classes of this module."""
    numcodecs.register_codec(CheckedBlosc, "blosc")
    register_codec("blosc", CheckedBloscCodec)
    zarr.config.set({"codecs.blosc": f"{__name__}.{CheckedBloscCodec.__name__}"})
