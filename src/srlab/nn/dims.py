"""The one place that knows 2D from 3D: an integer ``spatial_dims`` chooses the layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

Conv = nn.Conv2d | nn.Conv3d

_CONVOLUTIONS: dict[int, Callable[..., Conv]] = {2: nn.Conv2d, 3: nn.Conv3d}
_BATCH_NORMS: dict[int, Callable[[int], nn.Module]] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_ADAPTIVE_POOLS: dict[int, Callable[[int], nn.Module]] = {2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}


def check_spatial_dims(spatial_dims: int) -> int:
    """Return `spatial_dims` if it is 2 or 3, else raise a ``ValueError``."""
    if spatial_dims not in _CONVOLUTIONS:
        raise ValueError(f"spatial_dims is {spatial_dims!r}; it must be 2 (images) or 3 (volumes, video).")
    return spatial_dims


def per_axis(value: int | Sequence[int], spatial_dims: int) -> tuple[int, ...]:
    """Spell out `value` with one positive integer per spatial axis: ``4 -> (4, 4)``, ``[1, 4, 4] -> (1, 4, 4)``."""
    axes = tuple(value) if isinstance(value, Sequence) else (value,) * check_spatial_dims(spatial_dims)
    whole = all(isinstance(entry, int) and not isinstance(entry, bool) and entry >= 1 for entry in axes)
    if len(axes) != spatial_dims or not whole:
        raise ValueError(f"got {value!r} for {spatial_dims} spatial axes; give one integer >= 1, or one for each axis.")
    return axes


def conv(
    spatial_dims: int,
    in_channels: int,
    out_channels: int,
    kernel_size: int | Sequence[int],
    *,
    stride: int | Sequence[int] = 1,
    bias: bool = True,
) -> Conv:
    """Return a zero-padded convolution that keeps the size at stride 1; kernels are odd."""
    kernel = per_axis(kernel_size, spatial_dims)
    padding = tuple((size - 1) // 2 for size in kernel)
    return _CONVOLUTIONS[spatial_dims](
        in_channels, out_channels, kernel, per_axis(stride, spatial_dims), padding, bias=bias
    )


def batch_norm(spatial_dims: int, channels: int) -> nn.Module:
    """Return batch normalisation over all axes but the channels."""
    return _BATCH_NORMS[check_spatial_dims(spatial_dims)](channels)


def adaptive_pool(spatial_dims: int, size: int) -> nn.Module:
    """Return average pooling to `size` cells per axis, whatever the input's size."""
    return _ADAPTIVE_POOLS[check_spatial_dims(spatial_dims)](size)
