"""Techniques that wrap the gradient."""
