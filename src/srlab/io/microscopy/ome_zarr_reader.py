"""The reader of OME-Zarr images, versions 0.4 and 0.5."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from srlab.axes import Window, window_shape
from srlab.files import PathLike, existing_path, file_and_image, with_image
from srlab.io.blosc import check_blosc
from srlab.io.damage import CHECK_STORE, check_block_size, damage_as_mistake, empty, unreadable
from srlab.io.description import Axis, Description
from srlab.io.handle import ProcessHandle
from srlab.io.microscopy.channels import named_channels
from srlab.io.microscopy.ome_zarr_images import chosen_group
from srlab.io.microscopy.ome_zarr_metadata import NAMES, Image, read_image
from srlab.io.selection import chosen
from srlab.io.stored import without_infinities
from srlab.io.windows import check_window
from srlab.mistakes import Mistake


class OmeZarrReader:
    """A reader of the finest level of an OME-Zarr image (OME-NGFF 0.4 and 0.5).

    The image may have any of the axes t, c, z, y and x. Axes with a single entry are left out,
    except y and x. The attributes tell pixel sizes, units, names and colours. The position of the
    first pixel (``translation``) becomes a tag. Of several images, as in a plate, the path chooses
    one, such as ``plate.ome.zarr#A/1/0``.

    Raises a `Mistake` if there is no such store or image, several and no choice, or the store
    contradicts itself.
    """

    def __init__(self, path: PathLike, *, bands: Sequence[int | str] | None = None) -> None:
        name, wanted = file_and_image(path)
        self.path = existing_path(name)
        with damage_as_mistake(f"{path} is not an OME-Zarr that zarr can read", advice=CHECK_STORE):
            self._group, image, array = _opened(self.path, wanted)
            self._axes = image.axes
            whole = _described(image, array, str(path))
        self._handle = ProcessHandle(partial(_open_array, self.path, array.path))
        self._indices = chosen(whole.names, bands, path)
        self._bands = bands and list(bands)
        self.description = whole.subset(self._indices)

    def __str__(self) -> str:
        return with_image(self.path, self._group)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(OmeZarrReader, bands=self._bands), (str(self),)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Read ``(C, *window)`` as stored, NaN where a value is not finite.

        Raises a `Mistake` if the window is not inside the image, or a chunk is damaged.
        """
        check_window(window, self.description.shape)
        spatial = [axis.name for axis in self.description.axes]
        selection: dict[str, Any] = dict(zip(spatial, window, strict=True))
        selection["c"] = list(self._indices)
        stored_selection = tuple(selection.get(name, slice(0, 1)) for name in self._axes)
        with damage_as_mistake(unreadable(self, window)):
            values = np.asarray(self._handle.file().oindex[stored_selection])
        # Axes with a single entry come first, then the channels, then those of the description.
        kept = [self._axes.index(name) for name in ("c", *spatial) if name in self._axes]
        left_out = [axis for axis in range(values.ndim) if axis not in kept]
        ordered = values.transpose([*left_out, *kept]).reshape(-1, *window_shape(window))
        return without_infinities(np.ascontiguousarray(ordered, np.float32))

    def close(self) -> None:
        """Release the store."""
        self._handle.close()


def _open_array(path: Path, name: str) -> Any:
    return zarr.open_group(path, mode="r")[name]


def _opened(path: Path, wanted: str) -> tuple[str, Image, Any]:
    """Return the path of the wanted image's group, its attributes and its finest array."""
    """Open a store; return its image by the attributes, and the array of the finest level."""
    check_blosc()
    store = zarr.open_group(path, mode="r")
    group = chosen_group(store, wanted, path)
    root: Any = store[group] if group else store
    name = with_image(path, group)
    image = read_image(dict(root.attrs), name)
    if image.array not in root:
        raise Mistake(f"{name} lacks {image.array}, the array of its finest level: copy it whole.")
    array = root[image.array]
    if not hasattr(array, "chunks"):
        raise Mistake(f"{name} has a group in the place of its array {image.array}: write it anew.")
    return group, image, array


def _described(image: Image, array: Any, path: str) -> Description:
    dtype = np.dtype(array.dtype).newbyteorder("=")
    if dtype.kind not in "iufb":
        raise Mistake(f"{path} holds values of the type {dtype}: write real numbers first.")
    _check_axes(image.axes, array.shape, path)
    check_block_size(path, array.chunks, dtype.itemsize, "store it in smaller chunks")
    sizes = dict(zip(image.axes, array.shape, strict=True))
    kept = [name for name in NAMES if name != "c" and (name in "yx" or sizes.get(name, 1) > 1)]
    axes = tuple(Axis(name, *image.spacing.get(name, (None, None))) for name in kept)
    channels = named_channels(image.names, image.colours, [dtype] * sizes.get("c", 1))
    shape = tuple(sizes[name] for name in kept)
    return Description(shape, axes, channels, tags=image.tags)


def _check_axes(axes: Sequence[str], shape: Sequence[int], path: str) -> None:
    if len(axes) != len(shape) or len(set(axes)) < len(axes) or not {"y", "x"} <= set(axes):
        listed = ", ".join(axes)
        raise Mistake(
            f"{path} names the axes {listed} of an array with {len(shape)}; t, c, z, y and x are "
            "read, each once and y and x always: save it with these."
        )
    pairs = list(zip(axes, shape, strict=True))
    unknown = [f"{axis} of {size}" for axis, size in pairs if axis not in NAMES and size > 1]
    if unknown:
        raise Mistake(
            f"{path} has the axis {' and '.join(unknown)}; any of t, c, z, y and x are read: save "
            "it with these."
        )
    if min(shape) < 1:
        raise empty(path, shape)
