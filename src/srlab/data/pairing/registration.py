"""Measuring of the shift between two images of one place, by phase correlation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from srlab.nn.holes import filled

STEPS = 50
"""The precision of a shift: one LR pixel has this number of steps."""

Image = NDArray[np.float64]


def shift_between(
    lr: NDArray[np.float32], hr: NDArray[np.float32], scale: Sequence[int]
) -> tuple[float, float]:
    """Return the shift of HR against LR, in HR rows and columns; positive is down and right.

    LR is ``(C, *S)`` and HR ``(C', *S·scale)``, in any units. The means over their channels are
    compared by phase correlation, at LR's resolution since LR holds nothing finer. An inverted
    contrast does not matter. Only shifts of less than half of the image can be found.
    """
    first, second = _prepared(lr), _prepared(_means_of_cells(hr, scale))
    rows, columns = phase_shift(first, second)
    return rows * scale[0], columns * scale[1]


def phase_shift(first: Image, second: Image) -> tuple[float, float]:
    """Return the shift of the second image ``(H, W)`` against the first, in rows and columns.

    It is the peak of the phase correlation (Kuglin & Hines 1975). Around the peak the correlation
    is computed at fractions of pixels by matrix products (Guizar-Sicairos et al. 2008, section on
    the matrix-multiply discrete Fourier transform).
    """
    cross = np.fft.fft2(second) * np.fft.fft2(first).conj()
    cross /= np.maximum(np.abs(cross), np.finfo(float).tiny)
    coarse = np.abs(np.fft.ifft2(cross))
    peak = np.unravel_index(int(coarse.argmax()), coarse.shape)
    rows, columns = map(_around, peak, coarse.shape)
    fine = np.abs(_waves(rows, len(first)) @ cross @ _waves(columns, first.shape[1]).T)
    row, column = np.unravel_index(int(fine.argmax()), fine.shape)
    return float(rows[row]), float(columns[column])


def _around(peak: np.intp, size: int) -> Image:
    """Return the places within a pixel of a peak; peaks past the middle are negative shifts."""
    signed = int(peak) - size * (2 * int(peak) > size)
    return signed + np.arange(-STEPS, STEPS + 1) / STEPS


def _waves(places: Image, size: int) -> NDArray[np.complex128]:
    """Return the inverse transform's waves ``(places, frequencies)``."""
    return np.exp(2j * np.pi * np.outer(places, np.fft.fftfreq(size)))


def _prepared(image: NDArray[np.float32]) -> Image:
    """Return the mean of channels ``(C, H, W)``, weighted by a Hann window.

    Otherwise the borders of the images would match each other at a shift of zero.
    """
    mean = filled(image).mean(axis=0, dtype=np.float64)
    rows, columns = (np.hanning(size + 2)[1:-1] for size in mean.shape)
    weights = np.outer(rows, columns)
    weighted: Image = (mean - np.average(mean, weights=weights)) * weights
    return weighted


def _means_of_cells(hr: NDArray[np.float32], scale: Sequence[int]) -> NDArray[np.float32]:
    """Return ``(C, *S)``: the mean of the HR pixels ``(C, *S·scale)`` in each LR pixel."""
    channels, height, width = hr.shape
    sides = height // scale[0], scale[0], width // scale[1], scale[1]
    cells = filled(hr).reshape(channels, *sides)
    means: NDArray[np.float32] = cells.mean(axis=(2, 4))
    return means
