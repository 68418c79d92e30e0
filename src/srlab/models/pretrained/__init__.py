"""Weights that others published, for training and for direct use.

- ``weights``: loading a file into the generator of a run
- ``applying``: making a model of a file, without training
- ``reading``: reading the tensors of a file, without running code
- ``layouts``: the names that other programs give to tensors, and ours for the same tensors
- ``sizes``: the constructor arguments of a published network, found from its tensors
- ``fitting``: comparing the tensors of a file with those of a generator
- ``inflation``: adapting the first and last layer to other bands
- ``ncnn``, ``ncnn_steps``, ``ncnn_networks``: reading Real-ESRGAN's networks from files of ncnn
"""
