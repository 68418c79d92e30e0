"""Building blocks of networks, losses and metrics, for two and three spatial dimensions.

- `dims` chooses between 2D and 3D layers; no other module knows the number of dimensions.
- `blocks`, `activation`, `normalisation`, `upsample`, `skip`, `trunk` and `post_upsampling` are
  parts of networks. `acceleration` and `edges` change how a network runs.
- `resample` is separable cubic interpolation. `similarity` is SSIM, and `spectra` the spectral
  angle. `masks` and `holes` treat hidden and missing pixels.
"""
