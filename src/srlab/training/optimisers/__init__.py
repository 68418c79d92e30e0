"""Optimisers: the update of one network, with its learning rates and the bound on its gradients."""
