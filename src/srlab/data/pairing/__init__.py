"""Pairs of LR and HR: made from HR, or measured, and matched by their ground."""
