"""Volumes with their place in millimetres: NIfTI, MGH, Analyze and DICOM.

Files count voxels as ``(i, j, k)``, which is ``(x, y, z)``. Arrays here are ``(z, y, x)``.

- ``reader``: whatever nibabel reads; ``writer``: NIfTI
- ``header``: NIfTI headers, read and made
- ``geometry``: the maps from voxels to millimetres (sform and qform)
- ``dicom``: DICOM series
"""
