"""A recipe in a training loop of the user's own."""

from goodfit.train.loop.regularizer import Regularizer, attach

__all__ = ["Regularizer", "attach"]
