"""The grid of tiles: its arithmetic, and what settles it for a model, a scene and a device."""
