"""Weights that others have published, and their way into our generators."""
