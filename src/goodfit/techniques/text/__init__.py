"""Augmentations of texts: words are changed, moved, inserted or removed."""
