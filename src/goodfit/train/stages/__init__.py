"""Runs the techniques of each stage; every module carries the name of its stage."""
