"""From LR tiles to SR tiles: the network on its device, and what is done around it."""
