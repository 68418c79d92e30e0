"""What updates weights: optimisers, learning rates, bounds on gradients."""
