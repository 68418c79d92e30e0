"""DICOM series: a volume in a folder of files, usually with one slice in each.

The headers name the patient. So only the fields that place and scale the voxels are read. The
messages of pydicom are dropped, since they may quote other fields.

- ``reader``: a series as a volume
- ``series``: the slices of a series, sorted and checked
- ``headers``: the header of a slice; ``frames``: those of a file of several slices
- ``pixels``: the decoded pixels of a slice
- ``quiet``: pydicom, without its messages
"""
