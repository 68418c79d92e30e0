"""Where scalars, pictures and histograms go."""
