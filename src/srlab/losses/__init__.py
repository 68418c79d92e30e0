"""Loss terms, which compare SR with HR, and their weighted sum.

- `term` is the interface of a loss term. `context` is what a term may use besides SR and HR.
- `weighted` adds up the chosen terms. `ramp` raises a weight gradually.
- `bands`, `difference`, `frozen`, `norms` and `published` are parts that several terms share.
- Each of the other files holds one term, or terms of one kind.

Physical units are the units of the files. The network's range holds the values that a normaliser
makes of them. A pixel is called hidden where HR holds no data.
"""

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
