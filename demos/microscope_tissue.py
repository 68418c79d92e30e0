"""Write the stained tissue that ships with scikit-image: ``microscope_tissue.py OUTPUT.ome.tif``.

It is a bright-field picture of 512² pixels in red, green and blue (immunohistochemistry). The
package does not say how large a pixel is, so the file does not, either.
"""

import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

PICTURE = "skimage/data/ihc.png"
COLOURS = {"red": 0xFF0000FF, "green": 0x00FF00FF, "blue": 0x0000FFFF}


def main() -> None:
    """Write the file that the command line names."""
    if len(sys.argv) != 2:
        sys.exit("microscope_tissue.py got no single file to write; name it, such as a.ome.tif")
    output = Path(sys.argv[1])
    output.parent.mkdir(parents=True, exist_ok=True)
    # OME-XML has colours as signed numbers.
    signed = np.array([*COLOURS.values()], np.uint32).view(np.int32).tolist()
    about = {"axes": "CYX", "Channel": {"Name": [*COLOURS], "Color": signed}}
    tifffile.imwrite(
        output, tissue(), ome=True, metadata=about, photometric="minisblack", tile=(256, 256)
    )


def tissue() -> np.ndarray:
    """Return the picture ``(3, 512, 512)`` in 0–255."""
    try:
        files = distribution("scikit-image")
    except PackageNotFoundError:
        sys.exit("it ships with scikit-image, which is not installed: pip install 'srlab[demo]'")
    picture = Image.open(Path(str(files.locate_file(PICTURE)))).convert("RGB")
    return np.moveaxis(np.array(picture), -1, 0)


if __name__ == "__main__":
    main()
