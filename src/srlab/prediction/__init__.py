"""Prediction: tiles, and the way of a scene through them."""
