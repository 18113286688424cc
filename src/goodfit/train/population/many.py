"""`fit_many`: many recipes and seeds, trained together where they can be."""

from __future__ import annotations
