"""Augmentations of video clips in time. Augmentations of images accept clips too."""
