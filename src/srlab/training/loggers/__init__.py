"""Loggers of scalars, pictures and histograms, one in each file.

`visual` is the interface of loggers that take pictures and histograms, and `installation` checks
that a logger's package is installed.
"""
