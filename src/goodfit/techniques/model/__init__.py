"""Techniques that act inside the forward pass."""
