"""Techniques that decide whether training goes on."""
