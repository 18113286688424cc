"""Augmentations of sounds. All channels of a sound are transformed together."""
