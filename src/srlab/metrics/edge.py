"""The sharpness of an image, measured by its modulation transfer function at a slanted edge."""

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
"""The number of bins of the edge spread function in each pixel (ISO 12233)."""

_SMALLEST = 16
"""The smallest side of a patch, in pixels, that leaves a plateau on each side of the edge."""

SQUARE = 1.01
"""The largest ratio of a pixel's sides at which the pixel counts as square."""

_AT_ONCE = 2048
"""The number of windows that are measured at once, which bounds the memory."""


@dataclass(frozen=True)
class EdgeCurve:
    """The modulation transfer functions (MTF) of a batch of edges."""

    frequency: Tensor
    """``(F,)``, from 0 to 1 in cycles per pixel, across the edge."""

    mtf: Tensor
    """The MTF of each edge at each frequency, ``(N, F)``; it is 1 at frequency zero."""

    degrees: Tensor
    """The angle of the edge to the pixel grid in degrees, ``(N,)``, from -45 to 45."""

    residual: Tensor
    """The distance of the edge in each row from a straight line, ``(N,)``.

    It is the root mean square over the rows, in pixels.
    """


def slanted_edge(patches: Tensor) -> EdgeCurve:
    """Measure one slanted edge in each patch ``(N, H, W)``, or ``(H, W)`` for one.

    The method is that of ISO 12233:2017, annex D. The edge must be the only structure of its patch,
    and about 5 degrees off one of the axes. The steps are:

    1. A line is fitted to the places where the edge crosses the rows of pixels.
    2. Pixels are averaged in bins of their distance from the line, each a quarter of a pixel wide.
       The averages are the edge spread function.
    3. Its derivative, the line spread function, is multiplied by a Hamming window.
    4. The absolute value of its Fourier transform, divided by that at zero, is the MTF.
    5. The MTF is divided by that of the discrete derivative. The factor ``sinc(f / 4)``, which is
       the MTF of the bins, remains.

    The MTF is NaN for an edge exactly along the pixel grid, since bins are then empty, and for a
    patch without contrast.

    Raises a `Mistake` for patches below 16 pixels a side.
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

    offset, slope, residual = _fitted_line(patches)
    edge_spread = _edge_spread(patches, _distance(patches, offset, slope))

    line_spread = (edge_spread[:, 2:] - edge_spread[:, :-2]) / 2
    count = line_spread.shape[1]
    position = torch.arange(count, device=patches.device)
    line_spread = line_spread * _hamming(position - (count - 1) / 2, count)

    frequency = torch.linspace(0, 1, 101, dtype=patches.dtype, device=patches.device)
    waves = torch.exp(-2j * torch.pi * (position / _BINS)[:, None] * frequency)
    mtf = (line_spread.to(waves) @ waves).abs()
    derivative_mtf = torch.sinc(2 * frequency / _BINS)
    mtf = mtf / mtf[:, :1] / derivative_mtf
    degrees = torch.rad2deg(torch.atan(slope))
    return EdgeCurve(frequency, mtf, degrees, residual)


def _upright(patches: Tensor) -> Tensor:
    """Crop patches to squares, and turn them so that edges run down and are bright on the right."""
    height, width = patches.shape[1:]
    side = min(height, width)
    top = (height - side) // 2
    left = (width - side) // 2
    patches = patches[:, top : top + side, left : left + side]

    change_down = patches.diff(dim=1).square().sum((1, 2))
    change_across = patches.diff(dim=2).square().sum((1, 2))
    runs_across = change_down > change_across
    patches = torch.where(runs_across[:, None, None], patches.mT, patches)

    half = side // 2
    left_mean = patches[:, :, :half].mean((1, 2))
    right_mean = patches[:, :, -half:].mean((1, 2))
    rises = right_mean >= left_mean
    return torch.where(rises[:, None, None], patches, patches.flip(2))


def _fitted_line(patches: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the line of each edge: its column in the middle row, its slope, and its residual.

    Each is ``(N,)``. The slope is in columns per row, and the others are in columns.
    """
    rises = (patches[:, :, 2:] - patches[:, :, :-2]) / 2
    count, width = rises.shape[1:]
    columns = torch.arange(1, width + 1, device=patches.device, dtype=patches.dtype)
    rows = torch.arange(count, device=patches.device) - (count - 1) / 2

    expected = columns.mean().expand(rises.shape[:2])
    offset = slope = residual = rises.new_zeros(len(rises))
    for _ in range(3):  # each time, the window is centred on the edge found before
        weight = rises * _hamming(columns - expected[..., None], width)
        crossing = (weight * columns).sum(2) / weight.sum(2)
        offset = crossing.mean(1)
        slope = (crossing * rows).sum(1) / rows.square().sum()
        expected = offset[:, None] + slope[:, None] * rows
        residual = (crossing - expected).square().mean(1).sqrt()
    return offset, slope, residual


def _distance(patches: Tensor, offset: Tensor, slope: Tensor) -> Tensor:
    """Return the distance of each pixel from the line of its patch, ``(N, H, W)``.

    It is negative on the left of the line.
    """
    height, width = patches.shape[1:]
    rows = torch.arange(height, device=patches.device, dtype=patches.dtype)
    columns = torch.arange(width, device=patches.device, dtype=patches.dtype)
    line = offset[:, None] + slope[:, None] * (rows - rows.mean())
    along_row = columns - line[..., None]
    return along_row / (1 + slope.square()).sqrt()[:, None, None]


def _hamming(distance: Tensor, width: int) -> Tensor:
    """Return the Hamming window at a `distance` from its middle; it is zero outside `width`."""
    inside = distance.abs() <= width / 2
    window = 0.54 + 0.46 * torch.cos(2 * math.pi * distance / width)
    return torch.where(inside, window, 0.0)


def _edge_spread(patches: Tensor, distance: Tensor) -> Tensor:
    """Return the mean of the pixels in each bin of distance, ``(N, bins)``; NaN if it is empty."""
    reach = _BINS * (patches.shape[2] // 2 - 2)
    last = 2 * reach
    bins = torch.floor(distance * _BINS + 0.5) + reach
    outside = ~((bins >= 0) & (bins <= last))
    bins = torch.where(outside, last + 1.0, bins).long().flatten(1)

    # One more bin takes the pixels outside, and is dropped in the end.
    zeros = patches.new_zeros(len(patches), last + 2)
    total = zeros.scatter_add(1, bins, patches.flatten(1))
    count = zeros.scatter_add(1, bins, torch.ones_like(patches).flatten(1))
    return (total / count)[:, :-1]


def mtf50(curve: EdgeCurve) -> Tensor:
    """Return the frequency at which the MTF first falls below 0.5, ``(N,)``, in cycles per pixel.

    It is 1 if the MTF never falls below 0.5.
    """
    return first_below_zero(curve.mtf - 0.5, curve.frequency)


class SlantedEdge:
    """MTF50 along the clearest slanted edge of each image, in cycles per HR pixel (ISO 12233).

    MTF50 is the frequency at which half of the contrast is left (see `slanted_edge`). Images are
    ``(B, C, H, W)``, and the mean of their channels is measured.

    The edge is searched for in HR, in windows of `size` pixels a side, which begin at every quarter
    of `size`. An edge is clear if it is straight, lies alone between two plateaus, and is 2 to 20
    degrees off the pixel grid. Of the clear edges, the one of the highest contrast is chosen.

    The scores are ``sr`` and ``hr``, the MTF50 of SR and HR at this edge, each ``(B,)``. SR should
    reach the value of HR. A higher value means that SR is oversharpened. If pixels are square and
    their size is known, both are also given in cycles per unit, such as ``sr_per_mm``.

    The scores of an image are NaN if no edge is clear, which holds for most natural images. Test
    targets, roofs and borders of fields have clear edges. Windows with a hidden pixel are skipped.

    Raises a `Mistake` for images smaller than `size`, and for volumes, whose edges have no single
    angle.
    """

    higher_is_better = True

    def __init__(self, *, size: int = 32) -> None:
        if size < _SMALLEST:
            raise Mistake(f"size is {size}; an edge needs windows of at least {_SMALLEST} pixels.")
        self.size = size

    def __call__(self, sr: Tensor, hr: Tensor, context: ScoringContext) -> dict[str, Tensor]:
        """Return the MTF50 of SR and of HR, each ``(B,)``, by name."""
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
        best, is_clear = _clearest(windows["hr"])
        index = best[:, None, None, None].expand(-1, 1, self.size, self.size)
        values = {}
        for name, candidates in windows.items():
            edge = candidates.gather(1, index)[:, 0]
            sharpness = mtf50(slanted_edge(edge))
            values[name] = torch.where(is_clear, sharpness, torch.nan).to(hr.dtype)

        known = lengths(context.axes)
        if known is not None and max(known.pixel) <= SQUARE * min(known.pixel):
            for name in ("sr", "hr"):
                values[f"{name}_per_{known.unit}"] = values[name] / known.pixel[0]
        return values

    def _windows(self, image: Tensor, valid: Tensor | None) -> Tensor:
        """Return all windows of the mean of the channels, ``(B, n, size, size)``, NaN if hidden."""
        if valid is not None:
            image = torch.where(valid, image, torch.nan)
        step = self.size // 4
        bands = image.mean(1).unfold(1, self.size, step)
        return bands.unfold(2, self.size, step).flatten(1, 2)


def _clearest(windows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the position ``(B,)`` of the clearest edge of each image, and whether it is clear.

    The windows of an image are ``(B, n, size, size)``.
    """
    parts = torch.split(windows.flatten(0, 1), _AT_ONCE)
    contrasts = [_clear_contrast(part) for part in parts]
    contrast = torch.cat(contrasts).view(windows.shape[:2])
    best = contrast.argmax(1)
    best_contrast = contrast.gather(1, best[:, None])[:, 0]
    return best, best_contrast > 0


def _clear_contrast(patches: Tensor) -> Tensor:
    """Return the contrast of each patch ``(N, size, size)``, or -inf without a clear edge."""
    curve = slanted_edge(patches)
    upright = _upright(patches)
    third = upright.shape[2] // 3
    left = upright[:, :, :third]
    right = upright[:, :, -third:]
    contrast = right.mean((1, 2)) - left.mean((1, 2))
    roughness = torch.maximum(left.std((1, 2)), right.std((1, 2)))

    slant = curve.degrees.abs()
    is_slanted = (slant >= 2) & (slant <= 20)
    is_straight = curve.residual < 0.5
    is_alone = roughness < 0.1 * contrast
    is_measured = ~curve.mtf.isnan().any(1)
    is_clear = is_slanted & is_straight & is_alone & is_measured
    return torch.where(is_clear, contrast, -torch.inf)
