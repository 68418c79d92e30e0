"""Every volume, stack and clip of the real data, window by window, against its own library."""

import av
import nibabel
import numpy as np
import pytest
import tifffile

from srlab.io import open_reader
from srlab.io.video.colours import CONVERSION


def windows(shape, count=12):
    """Windows at random places, then all of one axis at a time, in no order along the file."""
    random = np.random.default_rng(1)
    for _ in range(count):
        starts = [int(random.integers(size)) for size in shape]
        lengths = [int(random.integers(1, 40)) for _ in shape]
        triples = zip(starts, lengths, shape, strict=True)
        yield tuple(slice(start, min(start + length, size)) for start, length, size in triples)
    for whole in range(len(shape)):
        middle = [slice(size // 2, size // 2 + 1) for size in shape]
        middle[whole] = slice(0, shape[whole])
        yield tuple(middle)


def files(folder, *endings):
    found = [path for path in folder.rglob("*") if path.name.endswith(endings)]
    assert found
    return sorted(found)


def check(path, expected):
    reader = open_reader(path)
    assert reader.description.shape == expected.shape[1:]
    for window in windows(reader.description.shape):
        np.testing.assert_array_equal(
            reader.read(window), expected[(slice(None), *window)], err_msg=f"{path.name} {window}"
        )


def test_real_volumes_equal_nibabels(shared_data):
    for path in files(shared_data("medical"), ".nii", ".nii.gz"):
        check(path, nibabel.load(path).get_fdata().astype(np.float32).T[np.newaxis])


def test_real_stacks_equal_tifffiles(shared_data):
    for path in files(shared_data("microscopy"), ".tif", ".tiff"):
        with tifffile.TiffFile(path) as file:
            axes, whole = file.series[0].axes, file.asarray()
        assert axes == "CZYX"
        check(path, whole.astype(np.float32))


@pytest.mark.slow
def test_real_clips_equal_pyavs(shared_data):
    for path in files(shared_data("video"), ".mp4", ".mkv", ".mov"):
        check(path, every_frame(path))


def every_frame(path):
    """Decode a clip in BT.709's limited range as ``(3, T, H, W)``, which stays in 8 bits."""
    frames = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            rgb = frame.to_ndarray(
                format="rgb24", src_colorspace=1, src_color_range=1, dst_color_range=2,
                interpolation=CONVERSION,
            )  # fmt: skip
            frames.append(rgb)
    return np.stack(frames).transpose(3, 0, 1, 2)
