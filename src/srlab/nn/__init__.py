"""Building blocks of networks, losses and metrics, for two and three spatial dimensions.

- `dims` chooses between 2D and 3D layers. No other module depends on the number of dimensions.
- `blocks`, `activation`, `normalisation`, `upsample`, `skip`, `trunk` and `post_upsampling` are
  parts of networks.
- `acceleration` and `shrinking` make networks faster. `edges` continues images beyond their
  borders, and `reach` measures receptive fields.
- `resample` is separable interpolation, `similarity` is SSIM, and `spectra` is the spectral angle.
- `masks` and `holes` handle pixels that are hidden by a mask or missing.
"""
