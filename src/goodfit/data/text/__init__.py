"""Texts: found among columns, taken apart into words, and counted."""
