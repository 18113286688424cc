"""Diagnosis: from a run's History to a verdict; one check per file."""

from goodfit.diagnosis.evidence import Finding
from goodfit.diagnosis.verdict import Verdict, diagnose

__all__ = ["Finding", "Verdict", "diagnose"]
