"""Volumes: NIfTI and what else nibabel reads, with their place in millimetres."""
