"""Small inputs, and an output of each format that is written in a way of its own."""

import nibabel
import numpy as np
import rasterio
import tifffile
from affine import Affine
from clips import clip, moving


def raster(path, count=2):
    pixels = np.random.default_rng(0).integers(1, 200, (count, 70, 90), np.uint8)
    place = {"crs": "EPSG:32632", "transform": Affine(10, 0, 4e5, 0, -10, 51e5)}
    with rasterio.open(
        path, "w", driver="GTiff", width=90, height=70, count=count, dtype="uint8", **place
    ) as file:
        file.write(pixels)


def volume(path):
    values = np.random.default_rng(1).integers(0, 200, (24, 30, 40), np.uint8)
    nibabel.save(nibabel.Nifti1Image(values, np.diag([1, 2, 3, 1])), path)


def stack(path):
    values = np.random.default_rng(2).integers(0, 200, (3, 2, 40, 50), np.uint8)
    about = {"axes": "ZCYX", "PhysicalSizeX": 0.3, "PhysicalSizeXUnit": "µm"}
    tifffile.imwrite(path, values, metadata=about, photometric="minisblack")


def film(path):
    clip(path, "ffv1", frames=moving(40, 24, 32), format="bgr0")


KINDS = {
    "a.tif": ("in.tif", raster, {"scale": (2, 2), "channels": 2}),
    "cog.tif": ("in.tif", raster, {"scale": (2, 2), "channels": 2, "layout": "cog"}),
    "a.nii.gz": ("in.nii", volume, {"scale": (2, 2, 2), "channels": 1}),
    "a.ome.tif": ("in.ome.tif", stack, {"scale": (2, 2), "channels": 2}),
    "a.ome.zarr": ("in.ome.tif", stack, {"scale": (2, 2), "channels": 2}),
    "a.mkv": ("in.mkv", film, {"scale": (2, 2), "channels": 3, "codec": "ffv1"}),
    "a.mp4": ("in.mkv", film, {"scale": (2, 2), "channels": 3}),
}
"""By the name of an output: its input, what makes that, and the settings of its prediction."""


def content(folder):
    """The bytes of all files in a folder and its folders."""
    files = {str(each.relative_to(folder)): each for each in folder.rglob("*") if each.is_file()}
    assert files
    return {name: file.read_bytes() for name, file in files.items()}
