"""srlab: train GANs that super-resolve any kind of image, and apply them to files of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    from srlab.models.super_resolver import SuperResolver
    from srlab.prediction.outcome import Outcome

__version__ = "0.1.0"
__all__ = ["__version__", "load", "super_resolve", "tiled"]


def load(path: str | Path, *, trust: bool = False) -> SuperResolver:
    """Open a trained model: a bundle ``model.safetensors`` or a checkpoint ``.ckpt``.

    Published weights for pictures (``.pth``, ``.pt``, ``.safetensors``, ncnn's ``.param``) can be
    opened if their network is a known one; values are then of 8 bits. So can ``.onnx`` files with a
    model card, or of a network for pictures.

    The result is called on batches of whole LR images ``(B, C, *S)`` in physical units, and returns
    SR ``(B, C', *S·scale)`` in physical units. Beyond their borders, images are extended. `trust`
    allows networks defined outside srlab, whose code is then imported and run.

    Raises a `srlab.mistakes.Mistake` if the file cannot be opened as a model.
    """
    # Imported here, since `import srlab` must not import torch.
    from srlab.models.onnx.opening import is_onnx, open_onnx
    from srlab.models.pretrained.applying import is_published, published
    from srlab.models.super_resolver import SuperResolver

    if is_onnx(path):
        return open_onnx(path)
    if is_published(path):
        return published(path)
    return SuperResolver.load(path, trust=trust)


def super_resolve(
    input: str | Path,  # noqa: A002
    output: str | Path,
    *,
    model: str | Path | Sequence[str | Path],
    overwrite: bool = False,
    progress: bool = False,
    trust: bool = False,
    **settings: Any,
) -> Outcome:
    """Super-resolve a file of any size to another file, as ``srlab predict`` does.

    `model` is a file that `load` opens, or several, whose outputs are averaged. `settings` are
    those of `srlab.prediction.Request`, such as ``tile``, ``precision``, ``samples`` or ``tta``. If
    a call ends early, its finished blocks are kept beside the output, and the same call continues
    from there. The result counts pixels, clipped values and pixels without data.

    Raises a `srlab.mistakes.Mistake` if a file does not fit the model, or cannot be written.
    """
    from srlab.io import reserved
    from srlab.prediction import Opened, Request, super_resolve_file

    paths: list[Any] = [*model] if isinstance(model, list | tuple) else [model]
    models = [Opened(str(path), load(path, trust=trust)) for path in paths]
    with reserved(output, source=input, overwrite=overwrite):
        return super_resolve_file(
            models,
            input,
            output,
            request=Request(trust=trust, **settings),
            overwrite=overwrite,
            progress=progress,
        )


def tiled(
    model: SuperResolver,
    array: NDArray[Any],
    *,
    tile: int | Sequence[int] | str = "auto",
    overlap: int | Sequence[int] | str = "auto",
    device: str = "cpu",
) -> NDArray[np.float32]:
    """Super-resolve an array ``(C, *S)`` in physical units, tile by tile: ``(C', *S·scale)``.

    The array may have more axes than the model, such as the slice axis of a volume before the axes
    of an image. Values that are not finite hold no data, and are NaN in the result. `tile` and
    `overlap` are in LR pixels.
    """
    from srlab.io.array import ArrayReader, ArrayWriter
    from srlab.prediction import plan_tiles, super_resolve
    from srlab.prediction.output.description import scene_of

    reader = ArrayReader(array)
    scene = scene_of([model], reader)
    plan = plan_tiles(model, reader, tile=tile, overlap=overlap, scene=scene)
    writer = ArrayWriter(model.out_channels, plan.target_shape)
    super_resolve(model, reader, writer, plan=plan, scene=scene, device=device)
    return writer.array
