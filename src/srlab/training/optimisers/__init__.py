"""Optimisers: the optimiser of a network, its learning rates, and the clipping of its gradients.

`optimisation` holds these three together for one network. `clipping` has the ways to clip,
`loss_scale` the loss scale of float16, and `schedulers` the learning-rate schedulers.
"""
