"""Augmentations of table rows."""
