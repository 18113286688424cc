"""Checks for techniques of your own, in the spirit of scikit-learn's `check_estimator`."""

from goodfit.testing.check import CHECKS, check_technique
from goodfit.testing.homes import Home, home

__all__ = ["CHECKS", "Home", "check_technique", "home"]
