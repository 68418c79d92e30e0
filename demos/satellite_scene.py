"""Write the Sentinel-2 scene that ships with spyndex as a GeoTIFF: ``satellite_scene.py OUTPUT``.

It has B02, B03, B04 and B08 of 300² pixels of 10 m, as reflectance × 10 000. The package does not
say where they lie. The file therefore has a local grid in metres, and no place on Earth.
"""

import json
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.crs import CRS

SCENE = "spyndex/data/S2_10m.json"
BANDS = ("B02", "B03", "B04", "B08")
LOCAL_GRID = CRS.from_wkt('LOCAL_CS["local grid",UNIT["metre",1]]')


def main() -> None:
    """Write the file that the command line names."""
    if len(sys.argv) != 2:
        sys.exit("satellite_scene.py got no single file to write; give its name, such as scene.tif")
    output = Path(sys.argv[1])
    output.parent.mkdir(parents=True, exist_ok=True)
    pixels = scene()
    _, height, width = pixels.shape
    with rasterio.open(
        output,
        "w",
        driver="GTiff",
        width=width,
        height=height,
        count=len(BANDS),
        dtype="uint16",
        crs=LOCAL_GRID,
        transform=Affine.scale(10, -10),
        tiled=True,
    ) as file:
        file.write(pixels)
        file.descriptions = BANDS


def scene() -> np.ndarray:
    """Return the scene ``(4, 300, 300)`` as reflectance × 10 000."""
    try:
        files = distribution("spyndex")
    except PackageNotFoundError:
        sys.exit("the scene ships with spyndex, which is not installed: pip install 'srlab[demo]'")
    # The file is read from the package's folder: importing it would take its own dependencies.
    return np.array(json.loads(Path(files.locate_file(SCENE)).read_text()), np.uint16)


if __name__ == "__main__":
    main()
