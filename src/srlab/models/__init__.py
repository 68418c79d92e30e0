"""Models on disk and in memory.

- `super_resolver` is a model in use: normaliser and generator together, in physical units.
- `card` describes a model, `bundle` reads and writes it as one file, and `rebuilding` makes its
  networks again without running foreign code. `messages` words what may go wrong there.
- `compatibility` compares a model with its input. `agreement` projects SR so that it agrees with
  LR, and `pictures` draws what a model makes.
- `onnx` holds models in ONNX files, and `pretrained` applies weights that others published.
"""
