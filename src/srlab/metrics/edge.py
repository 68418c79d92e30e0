"""Sharpness along one edge: the modulation transfer function of a slanted edge."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from srlab.metrics.lengths import lengths
from srlab.metrics.protocol import ScoringContext
from srlab.metrics.resolution import first_below_zero
from srlab.mistakes import Mistake

_BINS = 4
"""Bins of the edge spread function in a pixel (ISO 12233)."""

_SMALLEST = 16
"""The smallest side of a patch, in pixels, that leaves a plateau on each side of the edge."""

SQUARE = 1.01
"""The largest ratio of a pixel's sides at which it counts as square."""

_AT_ONCE = 2048
"""The number of windows that are measured together, which bounds the memory."""


@dataclass(frozen=True)
class EdgeCurve:
    """The modulation transfer functions (MTF) of a batch of edges."""

    frequency: Tensor
    """``(F,)``, from 0 to 1 in cycles per pixel, across the edge."""

    mtf: Tensor
    """``(N, F)``, 1 at frequency zero."""

    degrees: Tensor
    """The angle of the edge to the pixel grid in degrees, ``(N,)``, from -45 to 45."""

    residual: Tensor
    """``(N,)``: the root mean square distance in pixels of the rows' edges from the line."""


def slanted_edge(patches: Tensor) -> EdgeCurve:
    """Measure one slanted edge in each patch ``(N, H, W)``, or ``(H, W)`` for one.

    The method is that of ISO 12233:2017, annex D. The edge must be the only structure of its patch,
    and about 5 degrees off one of the axes.

    A line is fitted to the places where the edge crosses the rows. Pixels are averaged in bins of
    their distance from the line, a quarter of a pixel wide. The resulting edge spread function is
    differentiated, multiplied by a Hamming window and Fourier transformed. The response of the
    derivative is divided out; the factor ``sinc(f / 4)`` of the bins remains.

    The MTF is NaN for an edge exactly along the grid, which leaves bins empty, and for a patch
    without contrast.
    """
    if patches.ndim == 2:
        patches = patches[None]
    if patches.ndim != 3 or min(patches.shape[1:]) < _SMALLEST:
        raise Mistake(
            f"a slanted edge needs patches (N, H, W) of at least {_SMALLEST} pixels a side; got "
            f"{tuple(patches.shape)}."
        )
    if patches.dtype != torch.float64:
        patches = patches.float()
    patches = _upright(patches)
    offset, slope, residual = _line(patches)
    spread = _spread(patches, _distance(patches, offset, slope))
    line = (spread[:, 2:] - spread[:, :-2]) / 2
    position = torch.arange(line.shape[1], device=line.device)
    line = line * _hamming(position - (line.shape[1] - 1) / 2, line.shape[1])
    frequency = torch.linspace(0, 1, 101, dtype=line.dtype, device=line.device)
    wave = torch.exp(-2j * torch.pi * (position / _BINS)[:, None] * frequency)
    mtf = (line.to(wave) @ wave).abs()
    mtf = mtf / mtf[:, :1] / torch.sinc(2 * frequency / _BINS)
    return EdgeCurve(frequency, mtf, torch.rad2deg(torch.atan(slope)), residual)


def _upright(patches: Tensor) -> Tensor:
    """Crop patches to squares, and turn them so that edges run down and are brighter at right."""
    side = min(patches.shape[1:])
    top, left = ((size - side) // 2 for size in patches.shape[1:])
    patches = patches[:, top : top + side, left : left + side]
    down, across = (patches.diff(dim=axis).square().sum((1, 2)) for axis in (1, 2))
    patches = torch.where((down > across)[:, None, None], patches.mT, patches)
    half = side // 2
    rises = patches[:, :, -half:].mean((1, 2)) >= patches[:, :, :half].mean((1, 2))
    return torch.where(rises[:, None, None], patches, patches.flip(2))


def _line(patches: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The line of each edge: its column in the middle row, its slope, and the fit's residual.

    Each is ``(N,)``. The slope is in columns per row, and the others are in columns.
    """
    rises = (patches[:, :, 2:] - patches[:, :, :-2]) / 2
    count, width = rises.shape[1:]
    columns = torch.arange(1, width + 1, device=patches.device, dtype=patches.dtype)
    rows = torch.arange(count, device=patches.device) - (count - 1) / 2
    expected = columns.mean().expand(rises.shape[:2])
    offset = slope = residual = rises.new_zeros(len(rises))
    for _ in range(3):  # the window follows the edge found before
        weight = rises * _hamming(columns - expected[..., None], width)
        crossing = (weight * columns).sum(2) / weight.sum(2)
        offset = crossing.mean(1)
        slope = (crossing * rows).sum(1) / rows.square().sum()
        expected = offset[:, None] + slope[:, None] * rows
        residual = (crossing - expected).square().mean(1).sqrt()
    return offset, slope, residual


def _distance(patches: Tensor, offset: Tensor, slope: Tensor) -> Tensor:
    """Distance of each pixel from the line of its patch, ``(N, H, W)``, negative to the left."""
    rows, columns = (
        torch.arange(size, device=patches.device, dtype=patches.dtype) for size in patches.shape[1:]
    )
    distance = columns - (offset[:, None] + slope[:, None] * (rows - rows.mean()))[..., None]
    return distance / (1 + slope.square()).sqrt()[:, None, None]


def _hamming(distance: Tensor, width: int) -> Tensor:
    inside = distance.abs() <= width / 2
    return torch.where(inside, 0.54 + 0.46 * torch.cos(2 * math.pi * distance / width), 0.0)


def _spread(patches: Tensor, distance: Tensor) -> Tensor:
    """The mean of the pixels in each bin of distance, ``(N, bins)``; NaN where a bin is empty."""
    reach = _BINS * (patches.shape[2] // 2 - 2)
    bins = torch.floor(distance * _BINS + 0.5) + reach
    outside = ~((bins >= 0) & (bins <= 2 * reach))
    bins = torch.where(outside, 2.0 * reach + 1, bins).long().flatten(1)
    empty = patches.new_zeros(len(patches), 2 * reach + 2)
    total = empty.scatter_add(1, bins, patches.flatten(1))
    return (total / empty.scatter_add(1, bins, torch.ones_like(patches).flatten(1)))[:, :-1]


def mtf50(curve: EdgeCurve) -> Tensor:
    """Return the frequency at which the MTF first falls below 0.5, ``(N,)``, in cycles per pixel.

    It is 1 if the MTF never does.
    """
    return first_below_zero(curve.mtf - 0.5, curve.frequency)


class SlantedEdge:
    """MTF50 along the clearest slanted edge of each image, in cycles per HR pixel (ISO 12233).

    The edge is searched for in HR, in the mean of the channels. Windows have `size` pixels a side
    and begin at every quarter of it. A clear edge is straight, lies alone between two plateaus, and
    is 2 to 20 degrees off the grid. The clear edge of the highest contrast is chosen.

    Its MTF50 is measured in SR and in HR (see `slanted_edge`), as ``sr`` and ``hr``. The value of
    HR is the aim; a higher one means that SR is oversharpened. If pixels are square and their size
    is known, both are also given in cycles per unit, such as ``sr_per_mm``.

    An image without a clear edge is NaN, as most natural images are. Targets, roofs and borders of
    fields have such edges. Windows with a hidden pixel are skipped.

    Raises a `Mistake` for volumes, whose edges have no single angle.
    """

    higher_is_better = True

    def __init__(self, *, size: int = 32) -> None:
        if size < _SMALLEST:
            raise Mistake(f"size is {size}; an edge needs windows of at least {_SMALLEST} pixels.")
        self.size = size

    def __call__(self, sr: Tensor, hr: Tensor, context: ScoringContext) -> dict[str, Tensor]:
        """Measure SR and HR, both ``(B, C, H, W)``: MTF50 ``sr`` and ``hr``, each ``(B,)``."""
        if hr.ndim != 4:
            raise Mistake(
                f"slanted edges are of images; got {hr.ndim - 2} spatial axes. Leave this metric "
                "out."
            )
        if min(hr.shape[2:]) < self.size:
            raise Mistake(
                f"size is {self.size} but the image {tuple(hr.shape[2:])}: choose a smaller size."
            )
        windows = {"sr": self._windows(sr, context.valid), "hr": self._windows(hr, context.valid)}
        best, found = _clearest(windows["hr"])
        index = best[:, None, None, None].expand(-1, 1, self.size, self.size)
        values = {}
        for name, candidates in windows.items():
            edge = candidates.gather(1, index)[:, 0]
            values[name] = torch.where(found, mtf50(slanted_edge(edge)), torch.nan).to(hr.dtype)
        known = lengths(context.axes)
        if known is not None and max(known.pixel) <= SQUARE * min(known.pixel):
            for name in ("sr", "hr"):
                values[f"{name}_per_{known.unit}"] = values[name] / known.pixel[0]
        return values

    def _windows(self, image: Tensor, valid: Tensor | None) -> Tensor:
        """All windows of the mean of the channels, ``(B, n, size, size)``, NaN where hidden."""
        if valid is not None:
            image = torch.where(valid, image, torch.nan)
        step = self.size // 4
        columns = image.mean(1).unfold(1, self.size, step)
        return columns.unfold(2, self.size, step).flatten(1, 2)


def _clearest(windows: Tensor) -> tuple[Tensor, Tensor]:
    """The position of the best edge among ``(B, n, size, size)``, and whether it is clear."""
    clarity = [_clarity(part) for part in torch.split(windows.flatten(0, 1), _AT_ONCE)]
    score = torch.cat(clarity).view(windows.shape[:2])
    best = score.argmax(1)
    return best, score.gather(1, best[:, None])[:, 0] > 0


def _clarity(patches: Tensor) -> Tensor:
    """The contrast ``(N,)`` of patches ``(N, size, size)``; -inf for those without a clear edge."""
    curve, upright = slanted_edge(patches), _upright(patches)
    third = upright.shape[2] // 3
    left, right = upright[:, :, :third], upright[:, :, -third:]
    contrast = right.mean((1, 2)) - left.mean((1, 2))
    unrest = torch.maximum(left.std((1, 2)), right.std((1, 2)))
    slant = curve.degrees.abs()
    clear = (slant >= 2) & (slant <= 20) & (curve.residual < 0.5) & (unrest < 0.1 * contrast)
    return torch.where(clear & ~curve.mtf.isnan().any(1), contrast, -torch.inf)
