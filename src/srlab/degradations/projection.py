"""Projection of SR onto the images that degrade to exactly the given LR."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from srlab.degradations.linear import adjoint
from srlab.degradations.protocol import Degradation
from srlab.mistakes import Mistake

STEPS = 100
"""The largest number of conjugate-gradient steps; separable degradations need one or two."""

LEAST = 1e-6
"""The smallest share of a pattern's energy that a measured pattern keeps in the degradation.

It is relative to the largest share of any pattern. Patterns below it count as not measured.
"""

KEPT = 64
"""The number of eigenbases that are cached, one for each axis and size of images."""


class Projection:
    r"""Changes an SR image as little as possible, so that degraded it equals its LR image.

    For a linear degradation :math:`A`, SR :math:`x` and LR :math:`y` it is

    .. math:: x + A^+ (y - A x), \quad A^+ = A^T (A A^T)^{-1}.

    Of all images that :math:`A` maps to :math:`y`, this is the one nearest to :math:`x`. The result
    has two parts. :math:`A^+ y` follows from the measurement alone. The rest is added by the
    network, and :math:`A` maps it to zero (Chen and Davies 2020, deep decomposition learning; Wang
    et al. 2023, DDNM). Back-projection (Irani and Peleg 1991) takes small steps to the same end.

    The linear system has the size of LR. It is solved by preconditioned conjugate gradients
    (Craig's form). The preconditioner is exact for a degradation that is separable along the axes.
    Steps end when the largest difference is at most `tolerance` times the largest absolute value of
    LR. Patterns that the degradation almost removes (`LEAST`) stay as they are.

    All images are in the units of the degradation. Gradients pass through the projection.

    Raises a `Mistake` if the degradation is not linear, for example because it rounds to integers.
    """

    def __init__(self, degradation: Degradation, *, tolerance: float = 1e-5) -> None:
        if not degradation.linear:
            raise Mistake(
                f"{type(degradation).__name__}, as it made LR, rounds, adds noise or compresses, "
                "so it is not linear, and no output can be projected to agree with it; leave the "
                "projection out, or choose one that does none of this, such as degradation=bicubic."
            )
        self.degradation, self.tolerance = degradation, tolerance
        self._bases: dict[tuple[object, ...], tuple[Tensor, Tensor]] = {}

    def __call__(self, sr: Tensor, lr: Tensor) -> Tensor:
        """Return the image nearest to SR ``(B, C, *S·scale)`` that agrees with LR ``(B, C, *S)``.

        It is computed in float32 or float64.
        """
        dtype = torch.promote_types(torch.promote_types(sr.dtype, lr.dtype), torch.float32)
        with torch.autocast(sr.device.type, enabled=False):
            result: Tensor = _Projected.apply(sr.to(dtype), lr.to(dtype), self)
        return result

    @torch.no_grad()
    def measured(self, lr: Tensor) -> Tensor:
        """Return the smallest image ``(B, C, *S·scale)`` that agrees with LR ``(B, C, *S)``.

        It is :math:`A^+ y`, the part that all projected SR of this LR share. It has no gradients.
        """
        return self.lifted(lr, self.limit(lr))[0]

    def degrade(self, hr: Tensor) -> Tensor:
        """Degrade HR ``(B, C, *S·scale)`` to LR ``(B, C, *S)``."""
        return self.degradation(hr, generator=torch.Generator(hr.device))

    def limit(self, lr: Tensor) -> Tensor:
        """Return the allowed difference from LR ``(B, C, *S)``, for each image."""
        return self.tolerance * _largest(lr)

    def lifted(
        self,
        rest: Tensor,
        limit: Tensor,
        *,
        free: Tensor | None = None,
        steps: int = STEPS,
    ) -> tuple[Tensor, Tensor]:
        """Return the smallest image that degrades to `rest` ``(B, C, *S)``.

        It is the adjoint of a second image ``(B, C, *S)``, which is returned as well. The remaining
        difference is at most `limit`, unless there are not enough `steps`. The image is zero where
        `free` ``(B, C, *S·scale)`` is false; None: all pixels are free.
        """
        shape = [side * factor for side, factor in zip(rest.shape[2:], self.scale, strict=True)]
        image, source = rest.new_zeros(*rest.shape[:2], *shape), torch.zeros_like(rest)
        direction = self._preconditioned(rest)
        energy = first = _product(rest, direction)
        for _ in range(steps):
            # An image stops on its own, or its last bits would depend on the others in the batch.
            going = (_largest(rest) > limit) & (energy > torch.finfo(rest.dtype).eps ** 2 * first)
            if not bool(going.any()):
                break
            raised = adjoint(self.degradation, direction)
            if free is not None:
                raised = raised * free
            lowered = self.degrade(raised)
            length = torch.where(going, energy / _product(direction, lowered), 0.0)
            image += length * raised
            source += length * direction
            rest = rest - length * lowered
            conditioned = self._preconditioned(rest)
            before, energy = energy, _product(rest, conditioned)
            direction = conditioned + torch.where(going, energy / before, 0.0) * direction
        return image, source

    @property
    def scale(self) -> tuple[int, ...]:
        """The factor along each spatial axis."""
        return self.degradation.scale

    def _preconditioned(self, lr: Tensor) -> Tensor:
        """Solve the system as if the degradation were separable along the axes.

        Its matrix is then a Kronecker product, whose eigenvectors are products of those of the axes
        (fast diagonalisation, Lynch et al. 1964).
        """
        bases = [self._basis(axis, lr) for axis in range(len(self.scale))]
        energies = lr.new_ones(())
        for axis, (waves, own) in enumerate(bases):
            lr = _along(axis, waves.transpose(1, 2), lr)
            energies = energies * _shaped(axis, own, lr.ndim)
        largest = energies.amax(dim=tuple(range(1, energies.ndim)), keepdim=True)
        lr = torch.where(energies > LEAST * largest, lr / energies, 0.0)
        for axis, (waves, _) in enumerate(bases):
            lr = _along(axis, waves, lr)
        return lr

    def _basis(self, axis: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return the eigenvectors ``(C, n, n)`` and eigenvalues ``(C, n)`` of one axis.

        C is 1 where the degradation treats all channels alike.
        """
        channels, size = like.shape[1], like.shape[2 + axis]
        key = (axis, size, channels, like.dtype, like.device)
        if key not in self._bases:
            if len(self._bases) >= KEPT:
                self._bases.clear()
            rows = self._rows(axis, size, channels)
            if torch.equal(rows, rows[:1].expand_as(rows)):
                rows = rows[:1]
            energies, waves = torch.linalg.eigh(rows @ rows.transpose(1, 2))
            self._bases[key] = waves.to(like), energies.clamp(min=0).to(like)
        return self._bases[key]

    def _rows(self, axis: int, size: int, channels: int) -> Tensor:
        """Return the weights of HR pixels in LR pixels along one axis, ``(C, size, size·factor)``.

        LR is one pixel wide along the other axes, over which the weights are summed.
        """
        dims = len(self.scale)
        places = [1] * dims
        places[axis] = size
        pixels = torch.eye(size, dtype=torch.float64).view(size, 1, *places)
        raised = adjoint(self.degradation, pixels.expand(size, channels, *places).contiguous())
        others = [2 + other for other in range(dims) if other != axis]
        return raised.sum(dim=others).transpose(0, 1)


class _Projected(torch.autograd.Function):
    """The projection with its exact gradient, so that autograd need not record the steps."""

    @staticmethod
    def forward(ctx: Any, sr: Tensor, lr: Tensor, projection: Projection) -> Tensor:
        ctx.projection = projection
        return sr + projection.lifted(lr - projection.degrade(sr), projection.limit(lr))[0]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        """``I - A⁺A`` is symmetric, and the transpose of ``A⁺`` is ``(A·Aᵀ)⁻¹·A``."""
        lowered = ctx.projection.degrade(gradient)
        image, source = ctx.projection.lifted(lowered, ctx.projection.limit(lowered))
        return gradient - image, source, None


def _along(axis: int, matrix: Tensor, image: Tensor) -> Tensor:
    """Multiply ``(B, C, *S)`` along one axis by a matrix ``(C, n, n)``."""
    moved = image.movedim(2 + axis, 2)
    return (matrix @ moved.flatten(3)).view(moved.shape).movedim(2, 2 + axis)


def _shaped(axis: int, values: Tensor, ndim: int) -> Tensor:
    """Shape ``(C, n)`` values to broadcast along one axis of ``(B, C, *S)``."""
    shape = [1] * ndim
    shape[1], shape[2 + axis] = values.shape
    return values.view(shape)


def _largest(image: Tensor) -> Tensor:
    """The largest absolute value of each image of a batch, shaped to broadcast."""
    return image.abs().amax(dim=tuple(range(1, image.ndim)), keepdim=True)


def _product(first: Tensor, second: Tensor) -> Tensor:
    """The inner product of each pair of images of two batches, shaped to broadcast."""
    return (first * second).sum(dim=tuple(range(1, first.ndim)), keepdim=True)
