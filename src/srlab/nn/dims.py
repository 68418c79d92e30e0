"""Layers in 2D or 3D: an integer ``spatial_dims`` of 2 or 3 chooses the class.

All other modules build layers by these functions, and thus serve both 2D and 3D. The functions
raise a `Mistake` if ``spatial_dims`` is neither 2 nor 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from srlab.axes import check_spatial_dims, per_axis
from srlab.mistakes import Mistake

Conv = nn.Conv2d | nn.Conv3d

_CONVOLUTIONS: dict[int, Callable[..., Conv]] = {2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED: dict[int, Callable[..., nn.Module]] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_BATCH_NORMS: dict[int, Callable[[int], nn.Module]] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_INSTANCE_NORMS: dict[int, Callable[..., nn.Module]] = {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
_AVERAGE_POOLS: dict[int, Callable[..., nn.Module]] = {2: nn.AvgPool2d, 3: nn.AvgPool3d}
_FILTERS: dict[int, Callable[..., Tensor]] = {2: F.conv2d, 3: F.conv3d}
_LINEAR_MODES = {2: "bilinear", 3: "trilinear"}
_ADAPTIVE_POOLS: dict[int, Callable[[int], nn.Module]] = {
    2: nn.AdaptiveAvgPool2d,
    3: nn.AdaptiveAvgPool3d,
}


def conv(
    spatial_dims: int,
    in_channels: int,
    out_channels: int,
    kernel_size: int | Sequence[int],
    *,
    stride: int | Sequence[int] = 1,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = True,
) -> Conv:
    """Return a convolution of odd kernel, zero-padded so that stride 1 keeps the size.

    Raises a `Mistake` if there are no input or output channels.
    """
    if min(in_channels, out_channels) < 1:
        raise Mistake(
            f"a convolution from {in_channels} to {out_channels} channels; there must be 1 at "
            "least."
        )
    kernel, strides = per_axis(kernel_size, spatial_dims), per_axis(stride, spatial_dims)
    padding = tuple(dilation * (size - 1) // 2 for size in kernel)
    return _CONVOLUTIONS[spatial_dims](
        in_channels, out_channels, kernel, strides, padding, dilation, groups, bias
    )


def even_conv(
    spatial_dims: int,
    in_channels: int,
    out_channels: int,
    kernel_size: int = 4,
    *,
    stride: int,
    bias: bool = True,
) -> Conv:
    """Return a convolution of even kernel, zero-padded by one pixel less than half the kernel.

    It maps the size ``S`` to ``floor((S - 2) / stride) + 1``, so a stride of 2 halves even sizes.

    Raises a `Mistake` if the kernel is odd.
    """
    if kernel_size % 2:
        raise Mistake(
            f"kernel_size is {kernel_size}; even_conv takes even kernels, conv takes odd ones."
        )
    padding = kernel_size // 2 - 1
    return _CONVOLUTIONS[check_spatial_dims(spatial_dims)](
        in_channels, out_channels, kernel_size, stride, padding, bias=bias
    )


def transposed_conv(spatial_dims: int, channels: int, scale: Sequence[int]) -> nn.Module:
    """Return a transposed convolution that maps the size ``S`` to ``S·scale``.

    The kernels are about twice as wide as the scale, so that neighbouring kernels overlap.
    """
    kernel = tuple(2 * factor - factor % 2 for factor in scale)
    padding = tuple((size - factor) // 2 for size, factor in zip(kernel, scale, strict=True))
    return _TRANSPOSED[check_spatial_dims(spatial_dims)](
        channels, channels, kernel, tuple(scale), padding
    )


def batch_norm(spatial_dims: int, channels: int) -> nn.Module:
    """Return batch normalisation, with a learnt scale and shift."""
    return _BATCH_NORMS[check_spatial_dims(spatial_dims)](channels)


def instance_norm(spatial_dims: int, channels: int) -> nn.Module:
    """Return instance normalisation, with a learnt scale and shift."""
    return _INSTANCE_NORMS[check_spatial_dims(spatial_dims)](channels, affine=True)


def adaptive_pool(spatial_dims: int, size: int) -> nn.Module:
    """Return average pooling of inputs of any size to `size` pixels along each axis."""
    return _ADAPTIVE_POOLS[check_spatial_dims(spatial_dims)](size)


def halving_pool(spatial_dims: int) -> nn.Module:
    """Return average pooling with windows of 3 and stride 2, from ``S`` to ``ceil(S / 2)``.

    Pixels beyond the border do not count in the average.
    """
    return _AVERAGE_POOLS[check_spatial_dims(spatial_dims)](
        3, stride=2, padding=1, count_include_pad=False
    )


def resize_linear(image: Tensor, size: Sequence[int]) -> Tensor:
    """Interpolate ``(B, C, *S)`` linearly to ``(B, C, *size)``.

    The outer edges of the border pixels coincide, as with ``align_corners=False``.
    """
    mode = _LINEAR_MODES[check_spatial_dims(image.ndim - 2)]
    return F.interpolate(image, size=tuple(size), mode=mode, align_corners=False)


def unpadded_conv(image: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """Convolve ``(B, C, *S)`` with a kernel ``(C', C, *K)``, to ``(B, C', *(S - K + 1))``."""
    return _FILTERS[check_spatial_dims(image.ndim - 2)](image, kernel, bias)


def filter_channels(image: Tensor, kernels: Tensor, stride: Sequence[int]) -> Tensor:
    """Correlate each channel of ``(B, C, *S)`` with its own kernel of ``(C, *K)``, unpadded."""
    dims = check_spatial_dims(image.ndim - 2)
    return _FILTERS[dims](image, kernels[:, None], stride=tuple(stride), groups=image.shape[1])
