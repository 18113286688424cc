"""Techniques that change series."""
