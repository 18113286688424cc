"""Techniques that choose or create the rows of an epoch."""
