"""The names of tensors in published files, and the names of the same tensors in our generators.

To read the files of another program, add an entry to `LAYOUTS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from torch import nn

from srlab.generators import RCAB, RRDB, Compact, MSRResNet, Residual

Names = Sequence[tuple[str, str | Callable[..., str] | None]]
"""Pairs of a published name, which is a regular expression, and our name.

Our name is a format string, a function, or None if our generator has no such tensor. The string and
the function take the numbers that the groups of the expression match. The last part of a name,
``weight`` or ``bias``, is left out on both sides. Numbers may be counted from the end, as in
Python: ``body.-1`` is the last layer of the body.
"""


@dataclass(frozen=True)
class Values:
    """The range of values that a network takes and returns, which the normaliser must provide."""

    in_words: str
    """The range in words, for messages."""

    minimum: tuple[float, ...]
    """The 8-bit value that becomes 0: one number for all channels, or one for each."""

    maximum: tuple[float, ...]
    """The 8-bit value that becomes 1: one number for all channels, or one for each."""


@dataclass(frozen=True)
class Layout:
    """The names that one program gives to the tensors of one network."""

    origin: str
    """The program and its network, for messages."""

    kind: type[nn.Module]
    """The class of our generator."""

    layers: tuple[str, ...]
    """Published names of layers: a file that has all of them is of this layout."""

    names: Names

    values: Values

    @property
    def marks(self) -> frozenset[str]:
        """The published names of tensors by which the layout is recognised."""
        return frozenset(f"{layer}.weight" for layer in self.layers)

    @property
    def choice(self) -> str:
        """The name of our generator's YAML file, for ``generator=``."""
        return self.kind.__name__.lower()


UNIT = Values("RGB in 0–1", (0.0,), (255.0,))
_CENTRED = Values(
    "RGB in 0–255 minus the mean of its training images",
    (114.444, 111.4605, 103.02),
    (115.444, 112.4605, 104.02),
)

_RRDB: Names = (
    (r"conv_first", "head"),
    (
        r"(?:body|RRDB_trunk)\.(\d+)\.(?:rdb|RDB)([1-3])\.conv([1-5])",
        lambda n, block, layer: f"trunk.{n}.blocks.{block - 1}.convs.{layer - 1}",
    ),
    (r"conv_body|trunk_conv", "trunk.-1"),
    (r"(?:conv_up|upconv)([1-9])", lambda n: f"upsampler.{3 * n - 2}"),
    (r"conv_hr|HRconv", "refine.0"),
    (r"conv_last", "tail"),
)

_RRDB_NUMBERED: Names = (
    (r"model\.0", "head"),
    (
        r"model\.1\.sub\.(\d+)\.RDB([1-3])\.conv([1-5])\.0",
        lambda n, block, layer: f"trunk.{n}.blocks.{block - 1}.convs.{layer - 1}",
    ),
    (r"model\.1\.sub\.-1", "trunk.-1"),
    (r"model\.-1", "tail"),
    (r"model\.-3", "refine.0"),
    (r"model\.(\d+)", lambda n: f"upsampler.{n - 2}"),
)

_MSRRESNET: Names = (
    (r"conv_first", "head.0"),
    (
        r"(?:body|recon_trunk)\.(\d+)\.conv([12])",
        lambda n, layer: f"trunk.{n}.body.{2 * layer - 2}",
    ),
    (r"upconv([1-9])", lambda n: f"upsampler.{3 * n - 3}"),
    (r"conv_hr|HRconv", "refine.0"),
    (r"conv_last", "tail"),
)

_COMPACT: Names = (
    (r"body\.([01])", "head.{}"),
    (r"body\.-1", "tail.0"),
    (r"body\.(\d+)", lambda n: f"trunk.{n // 2 - 1}.{n % 2}"),
)

_EDSR: Names = (
    (r"conv_first", "network.head"),
    (r"body\.(\d+)\.conv([12])", lambda n, layer: f"network.trunk.{n}.body.{2 * layer - 2}"),
    (r"conv_after_body", "network.trunk.-1"),
    (r"upsample\.(\d+)", lambda n: f"network.upsampler.{3 * n // 2}"),
    (r"conv_last", "network.tail"),
)

_EDSR_OFFICIAL: Names = (
    (r"head\.0", "network.head"),
    (r"body\.(\d+)\.body\.(\d)", "network.trunk.{}.body.{}"),
    (r"body\.-1", "network.trunk.-1"),
    (r"tail\.0\.(\d+)", lambda n: f"network.upsampler.{3 * n // 2}"),
    (r"tail\.1", "network.tail"),
    (r"sub_mean|add_mean", None),
)

_RCAN: Names = (
    (r"conv_first", "network.head"),
    (r"body\.(\d+)\.residual_group\.(\d+)\.rcab\.(\d)", "network.trunk.{}.body.{}.body.{}"),
    (
        r"body\.(\d+)\.residual_group\.(\d+)\.rcab\.3\.attention\.(\d)",
        "network.trunk.{}.body.{}.body.3.gate.{}",
    ),
    (r"body\.(\d+)\.conv", "network.trunk.{}.body.-1"),
    (r"conv_after_body", "network.trunk.-1"),
    (r"upsample\.(\d+)", lambda n: f"network.upsampler.{3 * n // 2}"),
    (r"conv_last", "network.tail"),
)

_RCAN_OFFICIAL: Names = (
    (r"head\.0", "network.head"),
    (r"body\.(\d+)\.body\.(\d+)\.body\.(\d)", "network.trunk.{}.body.{}.body.{}"),
    (
        r"body\.(\d+)\.body\.(\d+)\.body\.3\.conv_du\.(\d)",
        lambda group, n, layer: f"network.trunk.{group}.body.{n}.body.3.gate.{layer + 1}",
    ),
    (r"body\.(\d+)\.body\.-1", "network.trunk.{}.body.-1"),
    (r"body\.-1", "network.trunk.-1"),
    (r"tail\.0\.(\d+)", lambda n: f"network.upsampler.{3 * n // 2}"),
    (r"tail\.1", "network.tail"),
    (r"sub_mean|add_mean", None),
)

LAYOUTS = (
    Layout("an RRDBNet of BasicSR", RRDB, ("conv_first", "body.0.rdb1.conv1"), _RRDB, UNIT),
    Layout("an RRDBNet of ESRGAN", RRDB, ("conv_first", "RRDB_trunk.0.RDB1.conv1"), _RRDB, UNIT),
    Layout(
        "a numbered RRDBNet of ESRGAN",
        RRDB,
        ("model.0", "model.1.sub.0.RDB1.conv1.0"),
        _RRDB_NUMBERED,
        UNIT,
    ),
    Layout(
        "an MSRResNet of BasicSR",
        MSRResNet,
        ("conv_first", "body.0.conv1", "upconv1"),
        _MSRRESNET,
        UNIT,
    ),
    Layout(
        "an MSRResNet of MMSR",
        MSRResNet,
        ("conv_first", "recon_trunk.0.conv1", "upconv1"),
        _MSRRESNET,
        UNIT,
    ),
    Layout("an SRVGGNetCompact of Real-ESRGAN", Compact, ("body.0", "body.2"), _COMPACT, UNIT),
    Layout(
        "an EDSR of BasicSR",
        Residual,
        ("conv_first", "body.0.conv1", "conv_after_body"),
        _EDSR,
        _CENTRED,
    ),
    Layout(
        "an EDSR of its authors",
        Residual,
        ("head.0", "body.0.body.0", "tail.1"),
        _EDSR_OFFICIAL,
        _CENTRED,
    ),
    Layout(
        "an RCAN of BasicSR",
        RCAB,
        ("conv_first", "body.0.residual_group.0.rcab.0"),
        _RCAN,
        _CENTRED,
    ),
    Layout(
        "an RCAN of its authors",
        RCAB,
        ("head.0", "body.0.body.0.body.0", "tail.1"),
        _RCAN_OFFICIAL,
        _CENTRED,
    ),
)


def recognise(names: Iterable[str]) -> Layout | None:
    """Return the layout whose characteristic tensor names all occur in `names`, or None."""
    given = set(names)
    return next((layout for layout in LAYOUTS if layout.marks <= given), None)


def translate(layout: Layout, names: Iterable[str], own: Iterable[str]) -> dict[str, str | None]:
    """Map the name of each tensor in a file to its name in our generator.

    `own` are the names of the generator's tensors. A tensor that our generator does not have is
    mapped to None. A name that the layout does not know is mapped to itself.
    """
    published, ours = _Numbers(names), _Numbers(own)
    result: dict[str, str | None] = {}
    for name in published.names:
        stem, dot, parameter = name.rpartition(".")
        translated = _translated(layout.names, stem, published.from_the_end(stem))
        if translated is None:
            result[name] = None
        else:
            result[name] = ours.from_the_start(translated) + dot + parameter
    return result


def _translated(names: Names, stem: str, stem_from_the_end: str) -> str | None:
    """Translate a name without its last part.

    Both spellings of its number are given, such as ``body.34`` and ``body.-1``.
    """
    for pattern, ours in names:
        found = re.fullmatch(pattern, stem) or re.fullmatch(pattern, stem_from_the_end)
        if not found:
            continue
        if ours is None:
            return None
        translate_numbers = ours.format if isinstance(ours, str) else ours
        return translate_numbers(*map(int, found.groups()))
    return stem


class _Numbers:
    """The lengths of numbered lists of layers, such as 35 for ``body`` if ``body.34`` is the last.

    They convert between numbers counted from the start and from the end of a list.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = list(names)
        self.counts: dict[str, int] = {}
        for name in self.names:
            parts = name.split(".")
            for depth, part in enumerate(parts):
                if re.fullmatch(r"\d{1,6}", part):
                    prefix = ".".join(parts[:depth])
                    self.counts[prefix] = max(self.counts.get(prefix, 0), int(part) + 1)

    def from_the_end(self, stem: str) -> str:
        """Return ``body.-1`` for ``body.34`` of 35; a name without a number at its end is kept."""
        prefix, _, number = stem.rpartition(".")
        if not re.fullmatch(r"\d{1,6}", number):
            return stem
        return f"{prefix}.{int(number) - self.counts[prefix]}"

    def from_the_start(self, stem: str) -> str:
        """Return ``trunk.16`` for ``trunk.-1`` of 17; a name without ``.-1`` is kept."""
        prefix, minus, rest = stem.partition(".-1")
        if not minus or prefix not in self.counts:
            return stem
        return f"{prefix}.{self.counts[prefix] - 1}{rest}"
