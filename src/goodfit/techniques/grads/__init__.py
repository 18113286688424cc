"""Techniques that change the gradient."""
