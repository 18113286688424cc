"""Techniques that choose which rows an epoch draws."""
