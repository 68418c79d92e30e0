"""Degradations, which model how LR comes from HR.

- `protocol` is the interface of a degradation. `linear` computes the adjoint of a linear one.
- `projection` changes SR so that it degrades to LR exactly. `bounds` also keeps it within a range
  of values. `reach` measures how far a projection looks.
- `chain` applies several degradations, and `in_planes` applies one to the planes of volumes.
- `filtering`, `psf`, `photo_kernels`, `ranges` and `draws` are shared parts.
- Each of the other files holds one degradation.
"""

from srlab.degradations.area import Area
from srlab.degradations.bicubic import Bicubic
from srlab.degradations.blur_kernel import BlurKernel
from srlab.degradations.bounds import Bounds, bounded
from srlab.degradations.chain import Chain
from srlab.degradations.exposure import Exposure
from srlab.degradations.gaussian_mtf import GaussianMtf
from srlab.degradations.jpeg import Jpeg
from srlab.degradations.kspace import KSpace
from srlab.degradations.linear import adjoint
from srlab.degradations.microscope import Microscope
from srlab.degradations.noise import Noise
from srlab.degradations.optical_sections import OpticalSections
from srlab.degradations.photo import Photo
from srlab.degradations.projection import Projection
from srlab.degradations.protocol import Degradation
from srlab.degradations.reach import projection_reach
from srlab.degradations.rician import Rician
from srlab.degradations.sentinel2_mtf import Sentinel2Mtf
from srlab.degradations.thick_slices import ThickSlices
from srlab.degradations.video_compression import VideoCompression

__all__ = [
    "Area",
    "Bicubic",
    "BlurKernel",
    "Bounds",
    "Chain",
    "Degradation",
    "Exposure",
    "GaussianMtf",
    "Jpeg",
    "KSpace",
    "Microscope",
    "Noise",
    "OpticalSections",
    "Photo",
    "Projection",
    "Rician",
    "Sentinel2Mtf",
    "ThickSlices",
    "VideoCompression",
    "adjoint",
    "bounded",
    "projection_reach",
]
