"""Write the head that ships with nilearn: ``head_volume.py THIN.nii.gz THICK.nii.gz``.

It is the brain of the T1 template of the MNI (ICBM 152), a mean of 152 heads in voxels of 1 mm. The
air around it is cut off. The second file is what a scan of 3 mm slices would show: each slice is
the mean of three.
"""

import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import nibabel
import numpy as np

HEAD = "nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
THICKNESS = 3  # mm


def main() -> None:
    """Write the files that the command line names."""
    if len(sys.argv) != 3:
        sys.exit("head_volume.py writes two files; name them, such as thin.nii.gz thick.nii.gz")
    thin = without_air(head())
    for name, volume in zip(sys.argv[1:], (thin, in_thick_slices(thin)), strict=True):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        nibabel.save(volume, name)


def head() -> nibabel.Nifti1Image:
    """Return the volume as it is in the package."""
    try:
        files = distribution("nilearn")
    except PackageNotFoundError:
        sys.exit("the head ships with nilearn, which is not installed: pip install 'srlab[demo]'")
    # The file is read from the package's folder: importing it would take seconds.
    return nibabel.load(str(files.locate_file(HEAD)))


def without_air(volume: nibabel.Nifti1Image) -> nibabel.Nifti1Image:
    """Return the smallest box that holds all signal, with as many slices as `THICKNESS` divides."""
    spans = [[places.min(), places.max() + 1] for places in np.nonzero(volume.get_fdata())]
    first, end = spans[2]
    spans[2][1] = end - (end - first) % THICKNESS
    return volume.slicer[*(slice(*span) for span in spans)]


def in_thick_slices(thin: nibabel.Nifti1Image) -> nibabel.Nifti1Image:
    """Return the volume with one slice along z for each three."""
    values = thin.get_fdata()
    means = values.reshape(*values.shape[:2], -1, THICKNESS).mean(3)
    # A slice lies at the middle of the three that it is the mean of.
    finer = np.diag([1, 1, THICKNESS, 1])
    finer[2, 3] = (THICKNESS - 1) // 2
    return nibabel.Nifti1Image(means.astype(np.float32), thin.affine @ finer)


if __name__ == "__main__":
    main()
