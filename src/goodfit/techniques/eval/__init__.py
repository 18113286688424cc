"""Techniques that keep other weights for evaluation."""
