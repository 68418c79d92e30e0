"""Loggers of scalars, pictures and histograms."""
