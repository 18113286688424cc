"""Training: the step, the solo trainer, checkpoints."""

from goodfit.train.augmented import Augmented, augment
from goodfit.train.checkpoints import Checkpoints
from goodfit.train.fitting import fit
from goodfit.train.run import Run
from goodfit.train.settings import Training

__all__ = ["Augmented", "Checkpoints", "Run", "Training", "augment", "fit"]
