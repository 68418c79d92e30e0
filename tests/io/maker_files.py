"""Files as the makers of microscopes write them: CZI by Zeiss's library, ND2 and LIF by hand.

ND2 is laid out as of Nikon's versions 2, whose headers are XML. Values are ``(T, C, Z, Y, X)`` of
16 bits. Two channels are DAPI in blue and GFP in green. Of several images each is brighter by 1
than the one before.
"""

import struct

import numpy as np

MAGIC = 0x0ABECEDA


def values(shape=(2, 2, 3, 20, 24)):
    return np.random.default_rng(0).integers(0, 4000, shape).astype("<u2")


def czi(path, stack, *, scenes=(0,), apart=100, corner=(0, 0), tile=None, planes=None):
    """Write a CZI of tiles that are `tile` pixels wide; its sizes are in metres.

    `planes` is the number of those that were taken. Scenes lie `apart` pixels from each other.
    """
    from pylibCZIrw import czi as library

    colours = {0: library.Rgb8Color(0, 0, 255), 1: library.Rgb8Color(0, 255, 0)}
    shown = {
        number: library.ChannelDisplaySettingsDataClass(
            True, library.TintingMode.Color, colour, 0.0, 1.0
        )
        for number, colour in colours.items()
    }
    with library.create_czi(str(path)) as file:
        for number, scene in enumerate(scenes):
            for t, c, z in [*np.ndindex(stack.shape[:3])][:planes]:
                plane = {"T": t, "C": c, "Z": z}
                width = stack.shape[-1]
                for left in range(0, width, tile or width):
                    part = stack[t, c, z, :, left : left + (tile or width), None] + number
                    place = corner[0] + apart * scene + left, corner[1]
                    file.write(part.astype(stack.dtype), plane=plane, location=place, scene=scene)
        file.write_metadata(
            channel_names={0: "DAPI", 1: "GFP"},
            scale_x=0.2e-6, scale_y=0.2e-6, scale_z=1.5e-6, display_settings=shown,
        )  # fmt: skip
    return path


def lif(path, stack, *, names=("cell",)):
    """Write a LIF: XML of the images in UTF-16, then a block of memory for each."""
    t, c, z, y, x = stack.shape
    item = stack.itemsize
    lengths = {"1": (x, item, 4.6e-6, "m"), "2": (y, x * item, 3.8e-6, "m")}
    lengths["3"] = (z, y * x * item, -3e-6, "m")
    lengths["4"] = (t, c * z * y * x * item, 2.5, "s")
    dimensions = "".join(
        f'<DimensionDescription DimID="{number}" NumberOfElements="{size}" Origin="0" '
        f'Length="{length}" Unit="{unit}" BitInc="0" BytesInc="{step}"/>'
        for number, (size, step, length, unit) in lengths.items()
    )
    channels = "".join(
        '<ChannelDescription DataType="0" ChannelTag="0" Resolution="16" NameOfMeasuredQuantity="" '
        f'Min="0" Max="65535" Unit="" LUTName="{table}" IsLUTInverted="0" '
        f'BytesInc="{number * z * y * x * item}" BitInc="0"/>'
        for number, table in enumerate(("Blue", "Green"))
    )
    images = "".join(
        f'<Element Name="{name}" UniqueID="{name}"><Data><Image><ImageDescription>'
        f"<Channels>{channels}</Channels><Dimensions>{dimensions}</Dimensions></ImageDescription>"
        f'</Image></Data><Memory Size="{stack.nbytes}" MemoryBlockID="Block_{name}"/></Element>'
        for name in names
    )
    xml = (
        '<LMSDataContainerHeader Version="2"><Element Name="a.lif"><Memory Size="0" '
        f'MemoryBlockID="Block_0"/><Children>{images}</Children></Element>'
        "</LMSDataContainerHeader>"
    )
    blocks = [_lif_block(struct.pack("<BI", 0x2A, len(xml)) + xml.encode("utf-16-le"))]
    for number, name in enumerate(names):
        told = f"Block_{name}"
        head = struct.pack("<BQBI", 0x2A, stack.nbytes, 0x2A, len(told))
        blocks += [
            _lif_block(head + told.encode("utf-16-le")),
            (stack + number).astype(stack.dtype).tobytes(),
        ]
    path.write_bytes(b"".join(blocks))
    return path


def _lif_block(content):
    return struct.pack("<II", 0x70, len(content)) + content


def nd2(path, stack, *, frames=None, positions=1, calibrated=True):
    """Write an ND2; `frames` is the number of those that were taken."""
    t, c, z, y, x = stack.shape
    every = [
        (stack[at, :, deep] + position).astype(stack.dtype).transpose(1, 2, 0)
        for at, position, deep in np.ndindex(t, positions, z)
    ]
    taken = every[:frames]
    chunks = {
        "ImageAttributes!": _variant(
            "SLxImageAttributes",
            uiWidth=x,
            uiWidthBytes=2 * c * x,
            uiHeight=y,
            uiComp=c,
            uiBpcInMemory=16,
            uiBpcSignificant=12,
            uiSequenceCount=len(taken),
            eCompression=2,
        ),
        "ImageMetadataSeq|0!": _variant("SLxPictureMetadata", **_picture(c, calibrated)),
        "ImageMetadata!": _variant("SLxExperiment", **_loops(t, z, positions)),
    }
    content = [_chunk("ND2 FILE SIGNATURE CHUNK NAME01!", b"Ver2.1".ljust(64, b"\0"), pad=0)]
    places = {}
    for name, data in chunks.items():
        places[name] = sum(map(len, content)), len(data)
        content.append(_chunk(name, data))
    for number, frame in enumerate(taken):
        data = bytes(8) + np.ascontiguousarray(frame).tobytes()  # a time comes first
        name = f"ImageDataSeq|{number}!"
        places[name] = sum(map(len, content)), len(data)
        content.append(_chunk(name, data))
    listed = b"".join(name.encode() + struct.pack("<QQ", *at) for name, at in places.items())
    end = b"ND2 CHUNK MAP SIGNATURE 0000001!" + struct.pack("<Q", sum(map(len, content)))
    content.append(_chunk("ND2 FILEMAP SIGNATURE NAME 0001!", listed + end, pad=0))
    path.write_bytes(b"".join(content))
    return path


def _chunk(name, data, pad=4072):
    """Return a chunk, whose data lie on a page of the disk: its name is padded."""
    named = name.encode().ljust(pad, b"\0")
    return struct.pack("<IIQ", MAGIC, len(named), len(data)) + named + data


def _picture(count, calibrated):
    named = {"DAPI": 0xFF0000, "GFP": 0x00FF00}  # blue, green, red
    probe = {"pFluorescentProbe": {"m_sName": "dye"}}
    planes = {}
    for number, (name, colour) in enumerate([*named.items()][:count]):
        told = {"uiCompCount": 1, "uiSampleIndex": number, "sDescription": name}
        planes[f"a{number}"] = {**told, "uiColor": colour, **probe}
    return {
        "bCalibrated": calibrated,
        "dCalibration": 0.2 if calibrated else 0.0,
        "sPicturePlanes": {"uiCount": count, "sPlaneNew": planes},
    }


def _loops(times, depth, positions):
    loops = [(4, {"uiCount": depth, "dZLow": 0.0, "dZHigh": 1.5 * (depth - 1), "dZStep": 1.5})]
    if positions > 1:
        points = {f"p{at}": {"dPosX": 9.0 * at, "dPosY": 0.0} for at in range(positions)}
        loops.insert(0, (2, {"Points": points}))
    loops.insert(0, (1, {"uiCount": times, "dStart": 0.0, "dPeriod": 2500.0, "dDuration": 0.0}))
    told = None
    for kind, about in reversed(loops):
        inner = {"ppNextLevelEx": {"next": told}} if told else {}
        told = {"eType": kind, "uLoopPars": about, **inner}
    return told


def _variant(name, **entries):
    return f'<variant version="1.0"><{name}>{_xml(entries)}</{name}></variant>'.encode()


def _xml(entries):
    kinds = {bool: "bool", int: "lx_uint32", float: "double", str: "CLxStringW"}
    parts = []
    for name, value in entries.items():
        if isinstance(value, dict):
            parts.append(f"<{name}>{_xml(value)}</{name}>")
        else:
            shown = str(value).lower() if isinstance(value, bool) else value
            parts.append(f'<{name} runtype="{kinds[type(value)]}" value="{shown}"/>')
    return "".join(parts)
