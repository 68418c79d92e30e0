"""Every command of the pages on MRI, thick slices and DICOM, in its order, on small volumes."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
from dicom_files import save_series
from page_commands import SMALL_GENERATOR, commands, run
from scipy.ndimage import gaussian_filter

SMALL = ["crop_size=24", "data.validation_size=24", "data.validation_views=1", *SMALL_GENERATOR]
SMALL_ADVERSARY = ["discriminator.channels=4", "discriminator.layers=1"]


def head(shape, *, seed=0):
    """Return smooth signal with some noise."""
    random = np.random.default_rng(seed)
    signal = 4000 * np.abs(gaussian_filter(random.normal(size=shape), 2))
    return (signal + random.uniform(0, 20, shape)).astype(np.int16)


def volume(path, values, spacing=(1, 1, 1)):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, np.diag([*spacing, 1])), path)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """All files that the pages' commands name."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("sub-a", "sub-b")):
        values = head((30, 28, 27), seed=seed)
        volume(Path("BIDS") / name / "anat" / f"{name}_T1w.nii.gz", values)
        save_series(Path("scans") / name / "t1", head((26, 28, 30), seed=seed))
    volume(Path("t1.nii.gz"), head((20, 18, 16)))
    volume(Path("thick.nii.gz"), head((48, 46, 16)), spacing=(1, 1, 3))


@pytest.mark.slow
@pytest.mark.parametrize("page", ["mri.md", "dicom.md", "thick_slices.md"])
def test_every_command_of_the_page_runs(files, page):
    lines = [*commands(page)]
    assert len(lines) > 1
    for words in lines:
        in_a_game = "experiment=mri_x2_3d" in words
        run(words, [*SMALL, *SMALL_ADVERSARY] if in_a_game else SMALL)
