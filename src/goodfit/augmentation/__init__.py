"""Augmentation outside of training: in the user's own loop, and as previews of training samples."""
