"""Plain reference networks that know nothing of techniques."""

from goodfit.models.build import build
from goodfit.models.initialise import initialise, reset
from goodfit.models.mlp import mlp

__all__ = ["build", "initialise", "mlp", "reset"]
