"""Techniques that change rows of tables, or add some."""
