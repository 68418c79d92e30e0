"""Optimisers: the optimiser of a network, its learning rates, and the clipping of its gradients.

- `optimisation` holds these three together for one network.
- `schedulers` has learning-rate schedulers, and `clipping` kinds of gradient clipping.
- `loss_scale` applies the loss scale of float16.
"""
