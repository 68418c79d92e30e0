"""The grid of tiles: its arithmetic, and its settlement for a model, a scene and a device.

- `tiles` divides a scene into tiles, `spans` one axis of it, and `shots` a video into its shots.
- `planning` chooses tile and overlap. `footprint` tells it which tiles fit into the memory, and
  `seams` how much tiling changes `samples` of the scene.
"""
