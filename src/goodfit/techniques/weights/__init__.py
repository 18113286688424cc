"""Techniques that act on weight tensors."""
