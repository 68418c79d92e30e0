"""The scale and the offsets by which a Sentinel-2 product's stored values become reflectance."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from srlab.io.damage import COPY_AGAIN
from srlab.mistakes import Mistake

BANDS = (
    *("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08"),
    *("B8A", "B09", "B10", "B11", "B12"),
)
"""The bands, in the order of ``bandId`` in the metadata."""

UNIT = "reflectance × 10000"
QUANTIFICATION = 10_000.0
"""The factor of reflectance in physical values here."""

FIRST_OFFSET = 400
"""The first processing baseline whose stored values have an offset: 04.00, of January 2022."""

_KEPT = ("PRODUCT_URI", "PROCESSING_BASELINE", "PRODUCT_START_TIME", "DATATAKE_SENSING_START")
"""Elements of the metadata that become tags."""

_BASELINE = re.compile(r"_N(\d{4})_")
"""The processing baseline in the name of a product."""


@dataclass(frozen=True)
class Radiometry:
    """The conversion of stored values: ``reflectance · 10 000 = stored · scale + offset``."""

    scale: float = 1.0
    offsets: Mapping[str, float] = field(default_factory=dict)
    """The offset of each band; 0 for bands that are missing here."""

    def offset(self, band: str) -> float:
        """Return the offset of a band."""
        return self.offsets.get(band, 0.0)


def read_metadata(content: bytes, path: Path) -> tuple[Radiometry, dict[str, str]]:
    """Read radiometry and tags from the content of ``MTD_MSIL1C.xml`` or ``MTD_MSIL2A.xml``.

    The metadata mean ``reflectance = (stored + ADD_OFFSET) / QUANTIFICATION_VALUE``. Products of
    baselines before 04.00 state no offset, and have none.

    Raises a `Mistake` if the file is damaged or states no quantification.
    """
    try:
        root = ElementTree.fromstring(content)
        texts = {_local(element.tag): (element.text or "").strip() for element in root.iter()}
        stated = texts.get("BOA_QUANTIFICATION_VALUE") or texts["QUANTIFICATION_VALUE"]
        scale = QUANTIFICATION / float(stated)
        offsets = {name: scale * value for name, value in _add_offsets(root)}
    except (ElementTree.ParseError, KeyError, IndexError, ValueError, ZeroDivisionError) as error:
        raise Mistake(
            f"the metadata of {path} (MTD_MSIL*.xml) are damaged or state no quantification value "
            f"({type(error).__name__}: {error}). {COPY_AGAIN}"
        ) from error
    tags = {name: texts[name] for name in _KEPT if texts.get(name)}
    return Radiometry(scale, offsets), tags


def radiometry_of_name(names: Sequence[str], path: Path) -> Radiometry:
    """Return the radiometry by the processing baseline in a product's name, such as ``_N0400_``.

    Raises a `Mistake` if none of `names` has a baseline.
    """
    matches = [match for match in map(_BASELINE.search, names) if match]
    if not matches or int(matches[0][1]) >= 9000:  # 9999 is for a user's own processing
        raise Mistake(
            f"{path} has no MTD_MSIL*.xml and no processing baseline in its name (such as _N0400_),"
            " so the offset of its values is unknown: restore the metadata, or the name."
        )
    if int(matches[0][1]) < FIRST_OFFSET:
        return Radiometry()
    return Radiometry(offsets=dict.fromkeys(BANDS, -1000.0))


def _add_offsets(root: ElementTree.Element) -> list[tuple[str, float]]:
    """Return the names of bands and their offsets, in units of stored values."""
    names = dict(enumerate(BANDS))
    for element in root.iter():
        if _local(element.tag) == "Spectral_Information":
            names[int(element.attrib["bandId"])] = _padded(element.attrib["physicalBand"])
    offsets = []
    for element in root.iter():
        if _local(element.tag) in ("BOA_ADD_OFFSET", "RADIO_ADD_OFFSET"):
            name = names[int(element.attrib["band_id"])]
            offsets.append((name, float(element.text or "")))
    return offsets


def _padded(band: str) -> str:
    """Return ``B02`` for ``B2``, as the metadata write it."""
    return re.sub(r"^B(\d)$", r"B0\1", band)


def _local(tag: str) -> str:
    """Return a tag without its namespace."""
    return tag.rpartition("}")[2]
