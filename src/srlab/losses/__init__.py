"""Loss terms ``(sr, hr, context)``, and the weighted sum of them."""

from srlab.losses.consistency import Consistency
from srlab.losses.context import Context
from srlab.losses.frequency import Frequency
from srlab.losses.gradient import Gradient
from srlab.losses.histogram import Histogram
from srlab.losses.lpips import LPIPS
from srlab.losses.perceptual import Perceptual
from srlab.losses.pixel import L1, L2, Charbonnier, Huber
from srlab.losses.ramp import Ramp
from srlab.losses.similarity import MSSSIM, SSIM
from srlab.losses.slices import Slices
from srlab.losses.spectral_angle import SpectralAngle
from srlab.losses.term import Term
from srlab.losses.total_variation import TotalVariation
from srlab.losses.vgg import PerceptualVGG, VGGFeatures
from srlab.losses.weighted import LossValue, WeightedLoss, WeightedTerm

__all__ = [
    "L1",
    "L2",
    "LPIPS",
    "MSSSIM",
    "SSIM",
    "Charbonnier",
    "Consistency",
    "Context",
    "Frequency",
    "Gradient",
    "Histogram",
    "Huber",
    "LossValue",
    "Perceptual",
    "PerceptualVGG",
    "Ramp",
    "Slices",
    "SpectralAngle",
    "Term",
    "TotalVariation",
    "VGGFeatures",
    "WeightedLoss",
    "WeightedTerm",
]
