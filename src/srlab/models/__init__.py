"""Models on disk and in memory.

A model in use:

- ``super_resolver``: normaliser and generator as one callable, in physical units
- ``agreement``: the projection of SR so that it agrees with LR
- ``compatibility``: checks that input files are of the kind that a model was trained on

A model in a file:

- ``card``: the description of a model, such as its scale, channels and training range
- ``bundle``: the file ``model.safetensors``, with weights and card
- ``rebuilding``: building the networks that a card names, without running foreign code
- ``messages``: shortening of text for error messages

Models that srlab did not train:

- ``onnx``: networks in ONNX files
- ``pretrained``: weights that others published
- ``pictures``: the card of such networks, which are made for 8-bit pictures
"""
