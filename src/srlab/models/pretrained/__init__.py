"""Weights that others have published, and how they fit our generators."""
