"""Histograms as a picture: one panel for each channel, with numbers and units on the axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
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
"""The size of a panel in pixels."""

LEFT, TOP, RIGHT, BOTTOM = 76, 58, 20, 52
"""The margins around the plot of a panel in pixels."""

ACROSS, DOWN = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
"""The size of the plot in pixels."""

ROOM = 44
"""The smallest distance between the labels of two percentiles in pixels."""

BARS = 180
"""The largest number of bars in a panel."""

BAR, FRAME, MARK = "#4878a8", "#404040", "#c8541c"
SPELT_OUT = str.maketrans({"×": "x", "µ": "u", "μ": "u", "²": "2", "³": "3", "·": ".", "–": "-"})
"""Replacements for characters that Pillow's own font lacks."""

MARKED = (1, 50, 99)
"""The percentiles that are marked."""


@dataclass(frozen=True)
class _Panel:
    """The plot of one channel."""

    title: str
    note: str
    edges: Floats
    heights: Floats
    """The percentage of valid pixels in each bar."""

    marks: dict[str, float]
    """The marked values, by the name of their percentile."""

    top: float
    """The height of the plot in percent; a taller bar is cut and labelled with its height."""

    def x(self, value: float) -> float:
        """Return the horizontal place of a value, in pixels."""
        first, last = float(self.edges[0]), float(self.edges[-1])
        return LEFT + (value - first) / (last - first) * ACROSS

    def y(self, height: float) -> float:
        """Return the vertical place of the top of a bar, in pixels."""
        return TOP + (1 - min(height / self.top, 1)) * DOWN


def draw(groups: Sequence[Values], path: str | Path, *, unit: str) -> None:
    """Write a PNG of the histograms of all channels.

    A panel shows the values from the 0.1st to the 99.9th percentile, and notes the share beyond.
    """
    panels = []
    for values in groups:
        for number, name in enumerate(values.names()):
            title = f"band {name}" if name.isdigit() else name
            panels.append(_panel(values, number, title))
    columns = 1
    if len(panels) >= 3:
        columns = 2
    if len(panels) >= 9:
        columns = 3
    rows = ceil(len(panels) / columns)
    sheet = Image.new("RGB", (columns * WIDTH, rows * HEIGHT), "white")
    for number, panel in enumerate(panels):
        place = (number % columns * WIDTH, number // columns * HEIGHT)
        sheet.paste(_drawn(panel, unit), place)
    sheet.save(path, format="PNG")


def _panel(values: Values, number: int, name: str) -> _Panel:
    statistics, counts = values.statistics, values.histograms[number]
    share = percent(values.shares()[number])
    if not statistics.count[number]:
        return _Panel(name, "no value at all", np.array([0.0, 1.0]), np.zeros(1), {}, 1.0)
    edges = _edges(statistics, number, values.channels[number])
    heights = 100 * _heights(counts, edges) / statistics.count[number]
    beyond = max(100 - float(heights.sum()), 0.0)
    note = (
        f"mean {statistics.mean[number]:.4g}   deviation {statistics.deviation[number]:.4g}   "
        f"valid {share}   beyond the axis {beyond:.2g} %"
    )
    marks = {f"{level}": float(statistics.quantile(level)[number]) for level in MARKED}
    tall = float(np.percentile(heights[heights > 0], 98)) if heights.any() else 1.0
    top = min(float(heights.max()), 2 * tall)
    return _Panel(name, note, edges, heights, marks, 1.05 * (top or 1.0))


def _edges(statistics: Statistics, number: int, channel: Channel) -> Floats:
    """Return the edges of bars; bars of integers all hold the same number of values."""
    low, high = (float(statistics.quantile(level)[number]) for level in (0.1, 99.9))
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
    """Return the counts in bars; a bin counts in the bar that holds its middle."""
    middles = (counts.edges[:-1] + counts.edges[1:]) / 2
    heights, _ = np.histogram(middles, edges, weights=counts.counts)
    return heights.astype(np.float64)


def _drawn(panel: _Panel, unit: str) -> Image.Image:
    picture = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen = ImageDraw.Draw(picture)
    pen.text((LEFT, 4), panel.title.translate(SPELT_OUT), fill="black", font=_font(17))
    pen.text((LEFT, 24), panel.note, fill=FRAME, font=_font(13))
    _draw_bars(pen, panel)
    for value in panel.marks.values():
        pen.line((panel.x(value), TOP, panel.x(value), TOP + DOWN), fill=MARK)
    for place, text in _apart({name: panel.x(value) for name, value in panel.marks.items()}):
        pen.text((max(place, LEFT), TOP - 2), text, fill=MARK, font=_font(13), anchor="mb")
    _draw_axes(pen, panel, f"value ({unit})" if unit else "value")
    return picture


def _draw_bars(pen: ImageDraw.ImageDraw, panel: _Panel) -> None:
    for left, right, height in zip(panel.edges, panel.edges[1:], panel.heights, strict=False):
        if height > 0:
            x = panel.x(left)
            pen.rectangle((x, panel.y(height), max(panel.x(right) - 1, x), TOP + DOWN), fill=BAR)
    tallest = int(panel.heights.argmax())
    if panel.heights[tallest] > panel.top:
        text = f"{panel.heights[tallest]:.3g} %"
        font, at, anchor = _font(13), panel.x(panel.edges[tallest + 1]) + 3, "la"
        if at + pen.textlength(text, font=font) > WIDTH:  # no room beside the last bars
            at, anchor = panel.x(panel.edges[tallest]) - 3, "ra"
        pen.text((at, TOP + 2), text, fill="black", font=font, anchor=anchor)


def _draw_axes(pen: ImageDraw.ImageDraw, panel: _Panel, label: str) -> None:
    below, font = TOP + DOWN, _font(13)
    pen.rectangle((LEFT, TOP, LEFT + ACROSS, below), outline=FRAME)
    for value in _ticks(float(panel.edges[0]), float(panel.edges[-1]), most=7):
        x = panel.x(value)
        pen.line((x, below, x, below + 5), fill=FRAME)
        pen.text((x, below + 7), f"{value:g}", fill="black", font=font, anchor="mt")
    for value in _ticks(0, panel.top, most=5):
        y = panel.y(value)
        pen.line((LEFT - 5, y, LEFT, y), fill=FRAME)
        pen.text((LEFT - 8, y), f"{value:g} %", fill="black", font=font, anchor="rm")
    middle = LEFT + ACROSS / 2
    pen.text((middle, HEIGHT - 8), label.translate(SPELT_OUT), fill="black", font=font, anchor="mb")
    pen.text((4, TOP - 4), "pixels", fill="black", font=font, anchor="lb")


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


def _apart(places: dict[str, float]) -> list[tuple[float, str]]:
    """Return labels of percentiles and their places; labels that would overlap are joined."""
    groups: list[tuple[float, list[str]]] = []
    for name, place in places.items():
        if groups and place - groups[-1][0] < ROOM:
            groups[-1][1].append(name)
        else:
            groups.append((place, [name]))
    return [(place, f"{', '.join(names)} %") for place, names in groups]


def _ticks(low: float, high: float, *, most: int) -> list[float]:
    """Return at most about `most` round numbers from `low` to `high`."""
    least = (high - low) / most
    power = 10.0 ** floor(log10(least))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least)
    numbers = range(ceil(low / step), floor(high / step) + 1)
    return [float(f"{number * step:.10g}") for number in numbers]
