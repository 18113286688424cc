"""Techniques that change a training batch."""
