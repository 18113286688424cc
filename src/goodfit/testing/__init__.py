"""Checks for techniques of your own, in the spirit of scikit-learn's `check_estimator`."""

from goodfit.testing.check import CHECKS, check_technique
from goodfit.testing.setups import Setup, setup

__all__ = ["CHECKS", "Setup", "check_technique", "setup"]
