"""Diagnose a run from its History; each file holds one check."""

from goodfit.diagnosis.evidence import Finding
from goodfit.diagnosis.verdict import RUN_A_STUDY, Verdict, diagnose, weight

__all__ = ["RUN_A_STUDY", "Finding", "Verdict", "diagnose", "weight"]
