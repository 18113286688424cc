"""Diagnose a run from its History; each file holds one check."""

from goodfit.diagnosis.evidence import Finding
from goodfit.diagnosis.verdict import Verdict, diagnose

__all__ = ["Finding", "Verdict", "diagnose"]
