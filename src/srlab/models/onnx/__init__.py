"""Models in ONNX files: `network` runs a graph as a network, and `opening` makes a model of it."""
