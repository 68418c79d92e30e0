"""The files of an output.

- `description` has their header and provenance, and `hashes` names what they are made of.
- `beside` adds further files on the same grid. `matching` matches an output's histogram to that of
  its input.
"""
