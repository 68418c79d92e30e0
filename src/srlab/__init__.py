"""srlab: train GANs that super-resolve any kind of image, and apply them to files of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from srlab.models.super_resolver import SuperResolver

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def load(path: str | Path, *, trust: bool = False) -> SuperResolver:
    """Open a trained model: a bundle ``model.safetensors`` or a checkpoint ``.ckpt``.

    Published weights for pictures (``.pth``, ``.pt``, ``.safetensors``, ncnn's ``.param``) are a
    model, too, if they tell of a known network. Its units are 8-bit values. So is an ``.onnx``
    file with a model card, or of a network for pictures.

    The result is called on batches of whole LR images ``(B, C, *S)`` in physical units and returns
    SR in physical units. It continues the images beyond their borders. `trust` allows networks
    defined outside srlab, whose code is then imported and run.
    """
    # torch is imported only by those who need it
    from srlab.models.onnx.opening import is_onnx, open_onnx
    from srlab.models.pretrained.applying import is_published, published
    from srlab.models.super_resolver import SuperResolver

    if is_onnx(path):
        return open_onnx(path)
    if is_published(path):
        return published(path)
    return SuperResolver.load(path, trust=trust)
