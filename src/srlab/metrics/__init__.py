"""Metrics, which compare SR with HR or LR in physical units.

- `protocol` is the interface of a metric, and holds the context in which it compares.
- `scoring` computes all chosen metrics by name, and their means over images.
- `benchmark` and `foreground` apply another metric to a part of the image.
- `masked`, `lengths` and `precision` are shared parts.
- Each of the other files holds one metric, or metrics of one kind.

A pixel is called hidden where HR holds no data, and visible elsewhere.
"""

from srlab.metrics.benchmark import Benchmark
from srlab.metrics.consistency import (
    ReflectanceConsistency,
    SpatialConsistency,
    SpectralConsistency,
    phase_shift,
)
from srlab.metrics.correctness import Correctness
from srlab.metrics.edge import EdgeCurve, SlantedEdge, mtf50, slanted_edge
from srlab.metrics.foreground import Foreground
from srlab.metrics.perceptual import LPIPS
from srlab.metrics.pixel import MAE, PSNR, RMSE
from srlab.metrics.protocol import InUnit, Local, Metric, Pooled, ScoringContext
from srlab.metrics.resolution import (
    FourierRingCorrelation,
    RingCurve,
    cutoff,
    fourier_ring_correlation,
)
from srlab.metrics.scoring import means, remarks, scores, unit_of
from srlab.metrics.similarity import MSSSIM, SSIM, UQI
from srlab.metrics.spectral import ERGAS, SpectralAngle
from srlab.metrics.spectrum import SpectrumDistance

__all__ = [
    "ERGAS",
    "LPIPS",
    "MAE",
    "MSSSIM",
    "PSNR",
    "RMSE",
    "SSIM",
    "UQI",
    "Benchmark",
    "Correctness",
    "EdgeCurve",
    "Foreground",
    "FourierRingCorrelation",
    "InUnit",
    "Local",
    "Metric",
    "Pooled",
    "ReflectanceConsistency",
    "RingCurve",
    "ScoringContext",
    "SlantedEdge",
    "SpatialConsistency",
    "SpectralAngle",
    "SpectralConsistency",
    "SpectrumDistance",
    "cutoff",
    "fourier_ring_correlation",
    "means",
    "mtf50",
    "phase_shift",
    "remarks",
    "scores",
    "slanted_edge",
    "unit_of",
]
