"""Places in files: regions, parts, training crops and fixed views, and how crops vary."""
