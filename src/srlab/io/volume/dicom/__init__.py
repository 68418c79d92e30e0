"""DICOM series: one volume in a folder of files, a slice in each.

A header names the patient. Of it only numbers that place and scale the voxels are read. The
messages of pydicom are dropped, since they quote values.
"""
