"""Everything about the files of an output: description, provenance, hashes, files beside it."""
