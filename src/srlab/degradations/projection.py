"""The nearest image that degrades to exactly what was measured."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from srlab.degradations.linear import adjoint
from srlab.degradations.protocol import Degradation
from srlab.mistakes import Mistake

STEPS = 100
"""The most steps of conjugate gradients; a degradation that acts axis by axis needs one or two."""

LEAST = 1e-6
"""Of its largest energy, what a degradation passes of a pattern that counts as measured."""

KEPT = 64
"""The number of bases that are kept, one for each axis of images of each size."""


class Projection:
    r"""Changes an SR image as little as possible, so that degraded it equals its LR image.

    For a linear degradation :math:`A`, SR :math:`x` and LR :math:`y` it is

    .. math:: x + A^+ (y - A x), \quad A^+ = A^T (A A^T)^{-1}.

    Of all images that :math:`A` makes :math:`y` of, it is the one nearest to :math:`x`. The result
    has two parts. :math:`A^+ y` follows from the measurement alone. The rest is what a network
    adds, and :math:`A` sees nothing of it (Chen and Davies 2020, deep decomposition learning;
    Wang et al. 2023, DDNM). Back-projection (Irani and Peleg 1991) goes the same way in small
    steps.

    The system of the size of LR is solved by preconditioned conjugate gradients (Craig's form). The
    preconditioner takes the degradation to act axis by axis, and is then exact. Steps end where the
    largest difference is at most `tolerance` of the largest absolute value of LR. A pattern that
    the degradation all but removes (`LEAST`) counts as not measured, and stays as it is.

    All images are in the units of the degradation. Gradients pass through it. A `Mistake` refuses a
    degradation that is not linear, such as one that rounds to integers.
    """

    def __init__(self, degradation: Degradation, *, tolerance: float = 1e-5) -> None:
        if not degradation.linear:
            raise Mistake(
                f"{type(degradation).__name__} is not linear, so no output can be projected to "
                "agree with it: as it made LR, it rounds, adds noise or compresses; leave the "
                "projection out, or train with one that does not, such as degradation=bicubic."
            )
        self.degradation, self.tolerance = degradation, tolerance
        self._bases: dict[tuple[object, ...], tuple[Tensor, Tensor]] = {}

    def __call__(self, sr: Tensor, lr: Tensor) -> Tensor:
        """Return the image nearest to SR ``(B, C, *S·scale)`` that agrees with LR ``(B, C, *S)``.

        It is computed in single precision at least.
        """
        dtype = torch.promote_types(torch.promote_types(sr.dtype, lr.dtype), torch.float32)
        with torch.autocast(sr.device.type, enabled=False):
            result: Tensor = _Projected.apply(sr.to(dtype), lr.to(dtype), self)
        return result

    @torch.no_grad()
    def measured(self, lr: Tensor) -> Tensor:
        """Return the smallest image ``(B, C, *S·scale)`` that agrees with LR ``(B, C, *S)``.

        It is the same part of every projected SR of this LR, without gradients.
        """
        return self.lifted(lr, self.limit(lr))[0]

    def degrade(self, hr: Tensor) -> Tensor:
        """HR ``(B, C, *S·scale)`` to LR ``(B, C, *S)``."""
        return self.degradation(hr, generator=torch.Generator(hr.device))

    def limit(self, lr: Tensor) -> Tensor:
        """Return the difference from LR ``(B, C, *S)`` that is allowed, for each image."""
        return self.tolerance * _largest(lr)

    def lifted(
        self,
        rest: Tensor,
        limit: Tensor,
        *,
        free: Tensor | None = None,
        steps: int = STEPS,
    ) -> tuple[Tensor, Tensor]:
        """Return the smallest image that degrades to `rest`, and what it is the adjoint of.

        What it leaves of `rest` ``(B, C, *S)`` is at most the `limit`, unless there are not enough
        `steps`. It is zero where it is not `free` ``(B, C, *S·scale)``; None: it is so throughout.
        """
        shape = [side * factor for side, factor in zip(rest.shape[2:], self.scale, strict=True)]
        image, source = rest.new_zeros(*rest.shape[:2], *shape), torch.zeros_like(rest)
        direction = self._preconditioned(rest)
        energy = first = _product(rest, direction)
        for _ in range(steps):
            # each image has steps of its own, or its last bits would depend on the others
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
        """Solve the system as if the degradation acted axis by axis.

        Its matrix is then a Kronecker product, whose eigenvectors are those of the axes (fast
        diagonalisation, Lynch et al. 1964).
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
        """Return eigenvectors ``(C, n, n)`` of one axis and what passes of each, ``(C, n)``.

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
        """Return what LR pixels weigh of HR pixels along one axis, ``(C, size, size·factor)``.

        LR is one pixel wide along the other axes. A sum over these leaves the weights of this one.
        """
        dims = len(self.scale)
        places = [1] * dims
        places[axis] = size
        pixels = torch.eye(size, dtype=torch.float64).view(size, 1, *places)
        raised = adjoint(self.degradation, pixels.expand(size, channels, *places).contiguous())
        others = [2 + other for other in range(dims) if other != axis]
        return raised.sum(dim=others).transpose(0, 1)


class _Projected(torch.autograd.Function):
    """The projection with its own gradient: steps are not recorded, since the map is linear."""

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


def _product(one: Tensor, other: Tensor) -> Tensor:
    """The inner product of each pair of images of two batches, shaped to broadcast."""
    return (one * other).sum(dim=tuple(range(1, one.ndim)), keepdim=True)
