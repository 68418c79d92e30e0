"""Files that are empty, damaged, odd, or claim what they are not."""

import os
import struct
import zipfile
import zlib

import numpy as np
from rasters import create, save
from small_files import METADATA, jp2_bytes, netcdf, photograph


def vrt(path, source, *, side=50, bands=1):
    """Write a VRT of `bands`, all from one source."""
    band = (
        '<VRTRasterBand dataType="Byte" band="{}"><SimpleSource>'
        f'<SourceFilename relativeToVRT="0">{source}</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand>"
    )
    stacked = "".join(band.format(at + 1) for at in range(bands))
    path.write_text(f'<VRTDataset rasterXSize="{side}" rasterYSize="{side}">{stacked}</VRTDataset>')


def vrt_of_a_device(path):
    vrt(path, "/dev/zero")


def vrt_without_end(path):
    """Write a VRT whose source never ends, read as raw bytes."""
    band = (
        '<VRTRasterBand dataType="Byte" band="{}" subClass="VRTRawRasterBand">'
        '<SourceFilename relativeToVRT="0">/dev/zero</SourceFilename></VRTRasterBand>'
    )
    bands = "".join(map(band.format, (1, 2, 3)))
    path.write_text(f'<VRTDataset rasterXSize="100" rasterYSize="100">{bands}</VRTDataset>')


def huge_vrt(path):
    bands = "".join(f'<VRTRasterBand dataType="Byte" band="{at}"/>' for at in (1, 2, 3))
    side = 10**9
    path.write_text(f'<VRTDataset rasterXSize="{side}" rasterYSize="{side}">{bands}</VRTDataset>')


def circle(path):
    other = path.with_name("other.vrt")
    vrt(path, other)
    vrt(other, path)


def truncated(path, whole="png"):
    photograph().save(path, whole)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def truncated_netcdf(path):
    netcdf(path)
    path.write_bytes(path.read_bytes()[:9000])


def png(path, width, height, *, depth=8, colour=2, interlaced=0, data=b""):
    def chunk(kind, content):
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = struct.pack(">2I5B", width, height, depth, colour, 0, 0, interlaced)
    chunks = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(data)), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def bmp(path, width, height):
    photograph().save(path)
    content = bytearray(path.read_bytes())
    content[18:26] = struct.pack("<2i", width, height)
    path.write_bytes(content)


def tiff(path, *entries):
    """Write the header of a TIFF: pairs of a tag and a 32-bit value, and no pixels."""
    listed = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(entries))
    path.write_bytes(b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + listed + bytes(4))


def huge_tiff(path, rows_in_strip=2**31 - 1):
    sizes = {256: 10**9, 257: 10**9, 258: 8, 259: 1, 262: 1, 277: 1}
    strip = {273: 8, 278: rows_in_strip, 279: 10}
    tiff(path, *sizes.items(), *strip.items())


def huge_tile(path):
    sizes = {256: 2**30, 257: 2**30, 258: 8, 259: 8, 262: 1, 277: 1}
    tile = {322: 2**30, 323: 2**30, 324: 8, 325: 100}
    tiff(path, *sizes.items(), *tile.items())


def sparse_tiff(path):
    """Write a valid scene of 90 GB that takes up no room."""
    tiles = {"tiled": True, "blockxsize": 4096, "blockysize": 4096}
    options = {**tiles, "sparse_ok": True, "bigtiff": "yes"}
    create(path, 1, (300_000, 300_000), "uint8", **options).close()


def jpeg(path, width, height):
    photograph().save(path, progressive=True)
    content = bytearray(path.read_bytes())
    frame = content.index(b"\xff\xc2")
    content[frame + 5 : frame + 9] = struct.pack(">2H", height, width)
    path.write_bytes(content)


def webp(path, width, height):
    photograph().save(path, lossless=True)
    content = bytearray(path.read_bytes())
    sizes = (width - 1) | (height - 1) << 14
    content[21:25] = struct.pack("<I", sizes | struct.unpack("<I", content[21:25])[0] & 0xF0000000)
    path.write_bytes(content)


def jp2(path, width, height):
    path.write_bytes(jp2_bytes(path.parent))
    content = bytearray(path.read_bytes())
    frame = content.index(b"\xff\x51")
    for place in (6, 22):  # of the image, and of its only tile
        content[frame + place : frame + place + 8] = struct.pack(">2I", width, height)
    content[content.index(b"ihdr") + 4 : content.index(b"ihdr") + 12] = struct.pack(
        ">2I", height, width
    )
    path.write_bytes(content)


def jp2_of_an_empty_box(path):
    """Write a JP2 file with a box of length 0 within another one."""
    content = bytearray(jp2_bytes(path.parent))
    inner = content.index(b"colr") - 4
    content[inner : inner + 4] = bytes(4)
    path.write_bytes(content)


def gif(path, width, height):
    photograph("P").save(path)
    content = bytearray(path.read_bytes())
    content[6:10] = sizes = struct.pack("<2H", width, height)
    frame = content.index(b"\x2c\0\0\0\0")
    content[frame + 5 : frame + 9] = sizes
    path.write_bytes(content)


def archive(path, *members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            file.writestr(name, content)


IMAGE = "P.SAFE/GRANULE/G/IMG_DATA/R10m/T_B02_10m.jp2"
ZEROS = bytes(80 * 2**20)


def bomb_of_metadata(path):
    archive(path, ("P.SAFE/MTD_MSIL2A.xml", ZEROS), (IMAGE, b"no image"))


def bomb_of_entities(path):
    levels = "".join(f'<!ENTITY e{at} "{f"&e{at - 1};" * 20}">' for at in range(1, 9))
    text = f'<!DOCTYPE a [<!ENTITY e0 "lol">{levels}]><a>&e8;</a>'
    archive(path, ("P.SAFE/MTD_MSIL2A.xml", text), (IMAGE, b"no image"))


def bomb_of_pixels(path):
    archive(path, ("P.SAFE/MTD_MSIL2A.xml", METADATA), (IMAGE, ZEROS))


def climbing(path):
    image = "../../../../../../../../etc/IMG_DATA/T_B02_10m.jp2"
    archive(path, ("P.SAFE/MTD_MSIL2A.xml", METADATA), (image, b"no image"))


UNREADABLE = {
    "empty.tif": lambda path: path.touch(),
    "empty.png": lambda path: path.touch(),
    "empty.jpg": lambda path: path.touch(),
    "empty.vrt": lambda path: path.touch(),
    "empty.zip": lambda path: path.touch(),
    "text.png": lambda path: path.write_text("no picture"),
    "text.xyz": lambda path: path.write_text("no picture"),
    "truncated.png": truncated,
    "truncated.jpg": lambda path: truncated(path, "jpeg"),
    "truncated.webp": lambda path: truncated(path, "webp"),
    "truncated.bmp": lambda path: truncated(path, "bmp"),
    "truncated.jp2": lambda path: truncated(path, "jpeg2000"),
    "truncated.nc": truncated_netcdf,
    "complex.tif": lambda path: save(path, np.zeros((1, 50, 50), np.complex64)),
    "no_bands.vrt": lambda path: vrt(path, "", bands=0),
    "device.vrt": vrt_of_a_device,
    "itself.vrt": lambda path: vrt(path, path),
    "circle.vrt": circle,
    "missing.vrt": lambda path: vrt(path, "missing.tif"),
    "url.vrt": lambda path: vrt(path, "/vsicurl/http://localhost:9/a.tif"),
    "claims.png": lambda path: png(path, 100_000, 100_000),
    "claims_more.png": lambda path: png(path, 2**31 - 1, 2**31 - 1, depth=16, colour=6),
    "claims_interlaced.png": lambda path: png(path, 100_000, 100_000, interlaced=1),
    "claims.gif": lambda path: gif(path, 65_000, 65_000),
    "claims.bmp": lambda path: bmp(path, 10**9, 10**9),
    "claims.tif": huge_tiff,
    "claims_tile.tif": huge_tile,
    "claims.jpg": lambda path: jpeg(path, 65_000, 65_000),
    "claims.webp": lambda path: webp(path, 16_000, 16_000),
    "claims.jp2": lambda path: jp2(path, 200_000, 200_000),
    "box.jp2": jp2_of_an_empty_box,
    "pipe.tif": os.mkfifo,
    "pipe.zip": os.mkfifo,
    "device.dcm": lambda path: path.symlink_to("/dev/zero"),
    "metadata.zip": bomb_of_metadata,
    "entities.zip": bomb_of_entities,
    "pixels.zip": bomb_of_pixels,
    "climbing.zip": climbing,
    "nothing.zip": lambda path: archive(path),
    "folder.tif": os.mkdir,
}
"""Functions that write files which cannot be read, by name."""

ODD = {
    "nan.tif": lambda path: save(path, np.full((3, 50, 50), np.nan, np.float32)),
    "infinite.tif": lambda path: save(path, np.full((3, 50, 50), np.inf, np.float32)),
    "nodata.tif": lambda path: save(path, np.zeros((3, 50, 50), np.uint8), nodata=0),
    "one_pixel.tif": lambda path: save(path, np.ones((3, 1, 1), np.uint8)),
    "one_row.tif": lambda path: save(path, np.ones((3, 1, 70_000), np.uint8)),
    "one_column.tif": lambda path: save(path, np.ones((3, 70_000, 1), np.uint8)),
    "one_pixel.png": lambda path: photograph().resize((1, 1)).save(path),
    "one_row.png": lambda path: photograph().resize((70_000, 1)).save(path),
    "wrong_name.png": lambda path: photograph().save(path, "jpeg"),
    "wrong_name.tif": lambda path: photograph().save(path, "png"),
    "sparse.tif": sparse_tiff,
    "huge.vrt": huge_vrt,
    "endless.vrt": vrt_without_end,
}
"""Functions that write files which can be read, or are refused."""
