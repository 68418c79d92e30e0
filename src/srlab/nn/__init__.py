"""Building blocks that every network shares, in two or three spatial dimensions."""
