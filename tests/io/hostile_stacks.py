"""Volumes, stacks and Zarr stores that are damaged, or claim what they are not."""

import gzip
import json
import os
import re
import struct

import numpy as np
import tifffile
from small_files import pixels, pyramid, stack, store, volume


def nifti_2(shape):
    """Return the header of a NIfTI-2 of bytes."""
    header = bytearray(544)
    header[:12] = struct.pack("<i", 540) + b"n+2\0\r\n\x1a\n"
    struct.pack_into("<hh", header, 12, 2, 8)
    struct.pack_into("<8q", header, 16, len(shape), *shape, *[1] * (7 - len(shape)))
    struct.pack_into("<8d", header, 104, *[1.0] * 8)
    struct.pack_into("<q", header, 168, 544)
    return bytes(header)


def cube(path, shape=(10**5,) * 3, size=1000):
    """Write a NIfTI of that shape, with a few bytes of voxels."""
    path.write_bytes(nifti_2(shape) + bytes(size))


def compressed_zeros(path, shape=(10**5,) * 3, size=2**26):
    """Write a compressed NIfTI of which a byte stands for a thousand."""
    with gzip.open(path, "wb", compresslevel=9) as file:
        file.write(nifti_2(shape))
        file.write(bytes(size))


def retold(path, pattern, replacement, **options):
    """Write a stack whose OME-XML says something else."""
    stack(path, **options)
    said = re.sub(pattern, replacement, tifffile.tiffcomment(path))
    tifffile.tiffcomment(path, said.encode())


def bomb_of_entities(path):
    levels = "".join(f'<!ENTITY e{at} "{f"&e{at - 1};" * 20}">' for at in range(1, 9))
    head = f'<!DOCTYPE OME [<!ENTITY e0 "lol">{levels}]>'
    retold(path, r"(<OME[^>]*>)", rf"{head}\1<Description>&e8;</Description>")


def elsewhere(path, name):
    """Write a stack that says its planes lie in a file of that name."""
    part = f'<TiffData PlaneCount="12"><UUID FileName="{name}">urn:uuid:1</UUID></TiffData>'
    retold(path, r"<TiffData.*</TiffData>|<TiffData[^>]*/>", part)


def no_size(path):
    volume(path)
    content = bytearray(path.read_bytes())
    struct.pack_into("<f", content, 84, np.nan)  # of the second axis
    path.write_bytes(content)


def in_a_pipe(path):
    os.mkfifo(path.with_name("pipe.tif"))
    elsewhere(path, "pipe.tif")


def outside(path):
    """Write a stack whose planes lie in a valid file above its folder."""
    stack(path.parent.parent / "outside.ome.tif")
    elsewhere(path, "../outside.ome.tif")


def claiming_less(path):
    tifffile.imwrite(path, pixels(6), imagej=True, metadata={"axes": "ZYX"})
    tifffile.tiffcomment(path, b"ImageJ=1.11a\nimages=6\nchannels=5\nslices=5\nhyperstack=true\n")


def placed(path, *rows):
    """Write a NIfTI of those three rows of an sform."""
    volume(path)
    content = bytearray(path.read_bytes())
    struct.pack_into("<2h", content, 252, 0, 2)  # the codes of qform and sform
    struct.pack_into("<12f", content, 280, *rows)
    path.write_bytes(content)


def deep(path):
    retold(path, r"(</OME>)", "<a>" * 50_000 + "</a>" * 50_000 + r"\1")


def without_levels(path):
    """Write a pyramid whose coarser level lies where nothing is."""
    pyramid(path)
    with tifffile.TiffFile(path) as file:
        entry = file.pages[0].tags[330]
    with path.open("r+b") as file:
        file.seek(entry.valueoffset)
        file.write(struct.pack("<I", 2**31))


def huge_tiles(path):
    """Write a stack that says its only tile is of 65 536 pixels a side."""
    tifffile.imwrite(
        path, pixels(1), tile=(128, 128), metadata={"axes": "CYX"}, compression="zlib", ome=True
    )
    for code in ("ImageWidth", "ImageLength", "TileWidth", "TileLength"):
        with tifffile.TiffFile(path, mode="r+") as file:
            file.pages[0].tags[code].overwrite(65_536)
    with tifffile.TiffFile(path, mode="r+") as file:
        said = re.sub(r'(Size[XY])="\d+"', r'\1="65536"', file.pages[0].description)
        file.pages[0].tags["ImageDescription"].overwrite(said)


def claiming_imagej(path):
    tifffile.imwrite(path, pixels(2), imagej=True, metadata={"axes": "ZYX"})
    said = "ImageJ=1.11a\nimages=1000000000\nslices=1000000000\nhyperstack=true\n"
    tifffile.tiffcomment(path, said.encode())


def changed_store(path, **changes):
    """Write a store of format 2 whose array's metadata is changed."""
    store(path, zarr_format=2)
    described = path / "a" / ".zarray"
    described.write_text(json.dumps({**json.loads(described.read_text()), **changes}))
    (path / ".zattrs").write_text('{"bands": ["a"]}')


def changed_store_3(path, **changes):
    store(path, zarr_format=3)
    described = path / "a" / "zarr.json"
    described.write_text(json.dumps({**json.loads(described.read_text()), **changes}))


def truncated_volume(path):
    volume(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


PLANES = r'SizeZ="\d+"'
COUNT = r'PlaneCount="\d+"'

UNREADABLE_STACKS = {
    "cube.nii": cube,
    "cube.nii.gz": compressed_zeros,
    "negative.nii": lambda path: cube(path, (-5, 5, 5)),
    "axes.nii": lambda path: cube(path, (2, 2, 2, 1, 1, 3, 4), 500),
    "truncated.nii": truncated_volume,
    "truncated.nii.gz": truncated_volume,
    "empty.nii.gz": lambda path: path.write_bytes(gzip.compress(b"")),
    "no_size.nii": no_size,
    "flat.nii": lambda path: placed(path, *[0.0] * 12),
    "nowhere.nii": lambda path: placed(path, *[np.nan] * 12),
    "planes.ome.tif": lambda path: retold(path, PLANES, 'SizeZ="1000000"'),
    "more_planes.ome.tif": lambda path: retold(path, PLANES, f'SizeZ="{10**12}"'),
    "counted.ome.tif": lambda path: retold(path, COUNT, f'PlaneCount="{10**10}"'),
    "contradicts.ome.tif": lambda path: retold(path, r'SizeX="\d+"', 'SizeX="90"'),
    "less_planes.ome.tif": lambda path: retold(path, PLANES, 'SizeZ="2"'),
    "less_planes.tif": claiming_less,
    "pipe.ome.tif": in_a_pipe,
    "device.ome.tif": lambda path: elsewhere(path, "/dev/zero"),
    "outside.ome.tif": outside,
    "missing.ome.tif": lambda path: elsewhere(path, "absent.tif"),
    "nothing.ome.tif": lambda path: retold(path, PLANES, 'SizeZ="0"'),
    "no_xml.ome.tif": lambda path: retold(path, "</Pixels>", ""),
    "entities.ome.tif": bomb_of_entities,
    "tiles.ome.tif": huge_tiles,
    "chunks.zarr": lambda path: changed_store(path, shape=[10**6] * 2, chunks=[10**6] * 2),
    "no_chunks.zarr": lambda path: changed_store(path, chunks=[0, 0]),
    "codec.zarr": lambda path: changed_store(path, compressor={"id": "unknown"}),
    "filter.zarr": lambda path: changed_store(path, filters=[{"id": "unknown"}]),
    "objects.zarr": lambda path: changed_store(path, dtype="|O", filters=[{"id": "pickle"}]),
    "codec3.zarr": lambda path: changed_store_3(path, codecs=[{"name": "unknown"}]),
    "type.zarr": lambda path: changed_store_3(path, data_type="float1024"),
}
"""Functions that write files which cannot be read, by name."""

ODD_STACKS = {
    "zeros.nii.gz": lambda path: compressed_zeros(path, (900, 900, 30), 900 * 900 * 30),
    "deep.ome.tif": deep,
    "levels.ome.tif": without_levels,
    "claims_planes.tif": claiming_imagej,
    "tiny_chunks.zarr": lambda path: changed_store(path, shape=[80, 100], chunks=[1, 1]),
    "large.zarr": lambda path: changed_store(path, shape=[10**9, 10**9]),
    "negative.zarr": lambda path: changed_store(path, shape=[-1, 100]),
}
"""Functions that write files which can be read, or are refused."""
