"""The formats of microscope makers, each read by a library of its own, which is an extra.

- ``czi``: Zeiss; ``nd2``: Nikon; ``lif``: Leica
- ``planes``: the reader that all three share
"""
