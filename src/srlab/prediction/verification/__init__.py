"""Verification: whether an output is what a model makes of an input."""

from srlab.prediction.verification.verdict import Verdict
from srlab.prediction.verification.verifying import verify

__all__ = ["Verdict", "verify"]
