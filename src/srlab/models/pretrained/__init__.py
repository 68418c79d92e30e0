"""Published weights of others, for training and for direct use.

- `weights` loads a file into a generator, and `applying` makes a model of a file without training.
- `reading` reads files, `layouts` translates the names of tensors, and `sizes` finds a network's
  arguments. `fitting` compares tensors with a generator, and `inflation` adapts them to bands.
- `ncnn`, `ncnn_steps` and `ncnn_networks` read the networks of Real-ESRGAN from ncnn's files.
"""
