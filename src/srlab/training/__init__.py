"""Training: the Lightning module and all that goes on around its step."""
