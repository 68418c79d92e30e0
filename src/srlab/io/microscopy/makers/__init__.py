"""The files of microscopes' makers, each through a library of its own, which is an extra."""
