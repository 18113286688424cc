"""Augmentations of series."""
