"""Techniques that choose the weights for evaluation."""
