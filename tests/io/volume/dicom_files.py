"""Small DICOM series, made by pydicom."""

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, RLELossless, generate_uid

DIRECTIONS = (0.8, 0.6, 0.0, 0.0, 0.0, -1.0)
SPACING = (0.75, 1.25)
STEP = 2.5
FIRST = (-31.0, 42.5, 7.25)


def slices(depth=6, size=(5, 7), *, dtype=np.int16, seed=0):
    """Return values ``(D, H, W)`` of 12 bits."""
    low = 0 if np.dtype(dtype).kind == "u" else -2048
    random = np.random.default_rng(seed)
    return random.integers(low, low + 4096, (depth, *size)).astype(dtype)


def position(at, *, step=STEP, directions=DIRECTIONS):
    normal = np.cross(directions[:3], directions[3:])
    return np.add(FIRST, normal * step * at).round(6).tolist()


def dataset(values, at, *, series, **fields):
    """Return the slice number `at` of a series; `fields` replace or add to those of its header."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = MRImageStorage
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    data.SeriesInstanceUID = series
    data.Modality = "MR"
    data.Rows, data.Columns = values.shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8 * values.dtype.itemsize
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = int(values.dtype.kind == "i")
    data.PixelSpacing, data.SliceThickness = list(SPACING), STEP
    data.ImageOrientationPatient, data.ImagePositionPatient = list(DIRECTIONS), position(at)
    data.set_pixel_data(
        values, data.PhotometricInterpretation, data.BitsStored, generate_instance_uid=False
    )
    for name, value in fields.items():
        setattr(data, name, value)
    return data


def save_series(folder, values, *, name="{:04}.dcm", compress=False, **fields):
    """Write the slices, the last one first by name; a field may be a list of one value a slice."""
    folder.mkdir(parents=True, exist_ok=True)
    series = generate_uid()
    for at, plane in enumerate(values):
        own = {
            key: value[at] if isinstance(value, list) and len(value) == len(values) else value
            for key, value in fields.items()
        }
        data = dataset(plane, at, **{"series": series, **own})
        if compress:
            data.compress(RLELossless, generate_instance_uid=False)
        data.save_as(folder / name.format(len(values) - at), enforce_file_format=True)
    return folder


def save_enhanced(path, values, order, *, compress=False):
    """Write all slices as frames, in this order; the slope of the slice number `at` is `at + 1`."""
    data = dataset(values[order], 0, series=generate_uid(), NumberOfFrames=len(values))
    shared, measures = Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = list(SPACING), STEP
    orientation = Dataset()
    orientation.ImageOrientationPatient = list(DIRECTIONS)
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    data.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for at in order:
        frame, place, scale = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = position(at)
        scale.RescaleSlope, scale.RescaleIntercept, scale.RescaleType = at + 1, 0, "US"
        frame.PlanePositionSequence, frame.PixelValueTransformationSequence = [place], [scale]
        frames.append(frame)
    data.PerFrameFunctionalGroupsSequence = frames
    for name in ("PixelSpacing", "SliceThickness", "ImageOrientationPatient"):
        delattr(data, name)
    del data.ImagePositionPatient
    if compress:
        data.compress(RLELossless, generate_instance_uid=False)
    data.save_as(path, enforce_file_format=True)
