"""Photographs: PNG and JPEG."""

from srlab.io.image.writer import ImageWriter

__all__ = ["ImageWriter"]
