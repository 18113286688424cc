"""Augmentations of images and video clips. Each image or clip is transformed at random."""
