"""Histograms as a picture: one panel a channel, with numbers and units on the axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from srlab.io import Channel
from srlab.normalisers.statistics import BinCounts, Statistics
from srlab.report.values import Values, percent

Floats = NDArray[np.float64]

WIDTH, HEIGHT = 640, 300
"""Pixels of a panel."""

LEFT, TOP, RIGHT, BOTTOM = 76, 58, 20, 52
"""Pixels around its plot."""

BARS = 180
"""The most bars of a panel."""

BAR, FRAME, MARK = "#4878a8", "#404040", "#c8541c"
SPELT_OUT = str.maketrans({"×": "x", "µ": "u", "μ": "u", "²": "2", "³": "3", "·": ".", "–": "-"})
"""Signs that Pillow's own font lacks."""

MARKED = (1, 50, 99)
"""The percentiles that are marked."""


@dataclass(frozen=True)
class _Panel:
    """The plot of one channel."""

    title: str
    note: str
    edges: Floats
    heights: Floats
    """Percent of the valid pixels in each bar."""

    marks: dict[str, float]
    top: float
    """The height of the plot, in percent; a bar that is taller is cut, and says its height."""


def draw(groups: Sequence[Values], path: str | Path, *, unit: str) -> None:
    """Write a PNG of the histograms of all channels.

    A panel reaches from the 0.1st to the 99.9th percentile, and says how many pixels lie beyond.
    """
    panels = []
    for values in groups:
        for number, name in enumerate(values.names()):
            title = f"band {name}" if name.isdigit() else name
            panels.append(_panel(values, number, title))
    columns = min(len(panels), 1 if len(panels) < 3 else 2 if len(panels) < 9 else 3)
    rows = ceil(len(panels) / columns)
    sheet = Image.new("RGB", (columns * WIDTH, rows * HEIGHT), "white")
    for number, panel in enumerate(panels):
        place = (number % columns * WIDTH, number // columns * HEIGHT)
        sheet.paste(_drawn(panel, unit), place)
    sheet.save(path, format="PNG")


def _panel(values: Values, number: int, name: str) -> _Panel:
    found, counts = values.statistics, values.histograms[number]
    share = percent(values.shares()[number])
    if not found.count[number]:
        return _Panel(name, "no value at all", np.array([0.0, 1.0]), np.zeros(1), {}, 1.0)
    edges = _edges(found, number, values.channels[number])
    heights = 100 * _heights(counts, edges) / found.count[number]
    beyond = max(100 - float(heights.sum()), 0.0)
    note = (
        f"mean {found.mean[number]:.4g}   deviation {found.deviation[number]:.4g}   "
        f"valid {share}   beyond the axis {beyond:.2g} %"
    )
    marks = {f"{level} %": float(found.quantile(level)[number]) for level in MARKED}
    tall = float(np.percentile(heights[heights > 0], 98)) if heights.any() else 1.0
    top = min(float(heights.max()), 2 * tall)
    return _Panel(name, note, edges, heights, marks, 1.05 * (top or 1.0))


def _edges(found: Statistics, number: int, channel: Channel) -> Floats:
    """Return the edges of bars; of integers each holds as many values as any other."""
    low, high = (float(found.quantile(level)[number]) for level in (0.1, 99.9))
    step = abs(channel.scale) if channel.dtype.kind in "iu" else 0.0
    if step:
        width = step * max(ceil((high - low) / step / BARS), 1)
        first = channel.offset + step * (floor((low - channel.offset) / step) - 0.5)
        bars = ceil((high + step / 2 - first) / width)
        return np.linspace(first, first + width * bars, bars + 1, dtype=np.float64)
    if high <= low:
        room = abs(low) or 1.0
        low, high = low - room, high + room
    return np.linspace(low, high, BARS + 1)


def _heights(counts: BinCounts, edges: Floats) -> Floats:
    """Count in bars; a bin belongs to the bar in which its middle lies."""
    middles = (counts.edges[:-1] + counts.edges[1:]) / 2
    heights, _ = np.histogram(middles, edges, weights=counts.counts)
    return heights.astype(np.float64)


def _drawn(panel: _Panel, unit: str) -> Image.Image:
    picture = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen = ImageDraw.Draw(picture)
    large, small = ImageFont.load_default(size=17), ImageFont.load_default(size=13)
    across, down = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    first, last = float(panel.edges[0]), float(panel.edges[-1])

    def x(value: float) -> float:
        return LEFT + (value - first) / (last - first) * across

    def y(height: float) -> float:
        return TOP + (1 - min(height / panel.top, 1)) * down

    pen.text((LEFT, 4), panel.title.translate(SPELT_OUT), fill="black", font=large)
    pen.text((LEFT, 24), panel.note, fill=FRAME, font=small)
    for left, right, height in zip(panel.edges, panel.edges[1:], panel.heights, strict=False):
        if height > 0:
            pen.rectangle((x(left), y(height), max(x(right) - 1, x(left)), TOP + down), fill=BAR)
        if height > panel.top:
            pen.text((x(right) + 3, TOP + 2), f"{height:.3g} %", fill="black", font=small)
    for name, value in panel.marks.items():
        pen.line((x(value), TOP, x(value), TOP + down), fill=MARK)
        pen.text((x(value), TOP - 2), name, fill=MARK, font=small, anchor="mb")
    pen.rectangle((LEFT, TOP, LEFT + across, TOP + down), outline=FRAME)
    for value in _ticks(first, last, most=7):
        pen.line((x(value), TOP + down, x(value), TOP + down + 5), fill=FRAME)
        pen.text((x(value), TOP + down + 7), f"{value:g}", fill="black", font=small, anchor="mt")
    for value in _ticks(0, panel.top, most=5):
        pen.line((LEFT - 5, y(value), LEFT, y(value)), fill=FRAME)
        pen.text((LEFT - 8, y(value)), f"{value:g} %", fill="black", font=small, anchor="rm")
    label = f"value ({unit})" if unit else "value"
    pen.text(
        (LEFT + across / 2, HEIGHT - 8),
        label.translate(SPELT_OUT),
        fill="black",
        font=small,
        anchor="mb",
    )
    pen.text((4, TOP - 4), "pixels", fill="black", font=small, anchor="lb")
    return picture


def _ticks(low: float, high: float, *, most: int) -> list[float]:
    """Return at most about `most` round numbers from `low` to `high`."""
    least = (high - low) / most
    power = 10.0 ** floor(log10(least))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least)
    numbers = range(ceil(low / step), floor(high / step) + 1)
    return [float(f"{number * step:.10g}") for number in numbers]
