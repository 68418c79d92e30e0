"""What an output is and says: its description, its provenance, and the files beside it."""
