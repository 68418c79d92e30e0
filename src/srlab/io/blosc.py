"""Blosc's chunks in Zarr stores, checked before they are decoded.

The C library trusts the sizes in a chunk's head: a few damaged bytes there end the process.
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

HEAD = struct.Struct("<4B3I")
"""Version, version of the codec, flags, size of a value; bytes decoded, of a block, stored."""


class CheckedBlosc(Blosc):  # type: ignore[misc]  # numcodecs has no types
    """Blosc that raises a `ValueError` where a chunk's head contradicts the chunk."""

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Decode a chunk."""
        chunk = memoryview(buf).cast("B")
        if len(chunk) < HEAD.size:
            raise ValueError(f"a chunk of {len(chunk)} bytes is too short")
        *_, decoded, block, stored = HEAD.unpack_from(chunk)
        if stored != len(chunk):
            raise ValueError(f"a chunk of {len(chunk)} bytes says it has {stored}")
        if decoded > MOST_BLOCK or not 0 < block <= decoded:
            raise ValueError(f"a chunk says it has {decoded} bytes in blocks of {block}")
        return super().decode(buf, out)


class CheckedBloscCodec(BloscCodec):
    """The same for stores of format 3."""

    @cached_property
    def _blosc_codec(self) -> Blosc:
        settings = super()._blosc_codec.get_config()
        settings.pop("id")
        return CheckedBlosc(**settings)


def check_blosc() -> None:
    """Have zarr decode Blosc's chunks by these classes."""
    numcodecs.register_codec(CheckedBlosc, "blosc")
    register_codec("blosc", CheckedBloscCodec)
    zarr.config.set({"codecs.blosc": f"{__name__}.{CheckedBloscCodec.__name__}"})
