"""Techniques that decide when to stop training."""
