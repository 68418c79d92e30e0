"""What a DICOM header says of a patient ends there."""

import gzip
import logging
from pathlib import Path

import numpy as np
from conftest import TINY, Outcome
from dicom_files import save_series
from pydicom.datadict import DicomDictionary

from srlab.io.volume.writer import NiftiWriter
from srlab.mistakes import FailedWrite

DATE, TIME, UID, TEXT = "19370511", "235941", "1.2.937115.1", "WANDERER"
MARKERS = {
    "DA": DATE,
    "TM": TIME,
    "DT": f"{DATE}{TIME}",
    "UI": UID,
    "AS": "089Y",
    **dict.fromkeys(["PN", "LO", "SH", "ST", "LT", "UT", "AE"], TEXT),
}
GROUPS = (0x0008, 0x0010, 0x0012, 0x0018, 0x0020, 0x0032, 0x0038, 0x0040, 0x4008)
"""Of the study, the patient, the equipment, the procedure and the report."""


def of_a_patient():
    """Return every field of these groups that holds words, a date or an identifier, filled."""
    return {
        keyword: MARKERS[kind]
        for tag, (kind, _, _, _, keyword) in DicomDictionary.items()
        if tag >> 16 in GROUPS and kind in MARKERS and keyword
    }


def unfinished(command, monkeypatch, given):
    """The journal of a prediction whose disk is full when it is to be completed."""

    def full(writer):
        raise FailedWrite("b.nii.gz cannot be written: No space left on device.")

    with monkeypatch.context() as patched:
        patched.setattr(NiftiWriter, "finish", full)
        assert command("predict", *given).code == 1
    return Path("b.nii.gz.partial", "journal").read_text()


def test_no_field_of_a_patient_is_written_or_told(command, tmp_path, capfd, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    fields = of_a_patient()
    assert {"PatientName", "InstitutionName", "StudyDate", "SOPInstanceUID"} <= fields.keys()
    random = np.random.default_rng(0)
    for number in range(2):
        values = random.integers(0, 1000, (16, 20, 20)).astype(np.int16)
        save_series(
            tmp_path / "scans" / f"sub-{number}",
            values,
            **{**fields, "SeriesInstanceUID": f"{UID}.{number}"},
        )
    (tmp_path / "scans" / "sub-0" / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + TEXT.encode())
    data = ["data=medical_mri", "data.root=scans"]
    small = ["scale=2", "spatial_dims=3", "trainer.max_steps=1", "data.validation_size=16"]
    model = "model=run/model.safetensors"
    commands = [
        ("stats", [*data, "spatial_dims=3", "output=bands.png", "json=bands.json"]),
        ("train", [*data, *TINY, *small, "data.crop_size=16", "hydra.run.dir=run"]),
        ("predict", [model, "input=scans/sub-0", "output=a.nii.gz"]),
        ("predict", [model, "input=[scans/sub-0]", "output=many"]),
        ("verify", [model, "input=scans/sub-0", "output=a.nii.gz"]),
        ("evaluate", [model, *data, "data.test_size=16"]),
    ]
    for name, given in commands:
        assert command(name, *given) == Outcome(0, "")
    assert (tmp_path / "many" / "manifest.csv").exists()
    journal = unfinished(command, monkeypatch, [model, "input=scans/sub-0", "output=b.nii.gz"])
    assert journal.startswith('{"asked": ')

    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    written = [path for path in written if "scans" not in path.parts]
    assert len(written) > 6
    told = "".join(capfd.readouterr()) + caplog.text
    for marker in (DATE, TIME, UID, TEXT):
        assert marker not in told
        for path in written:
            content = path.read_bytes()
            if path.suffix == ".gz":
                content = gzip.decompress(content)
            assert marker.encode() not in content, path
