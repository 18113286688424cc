"""Tensor operations that several techniques share. Nothing here knows of techniques, data or training."""
