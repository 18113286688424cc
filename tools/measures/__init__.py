"""The measures that tools/structure.py prints."""
