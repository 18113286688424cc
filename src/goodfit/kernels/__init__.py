"""Faster CPU kernels for torch operations, with the same results up to rounding."""
