"""Rows made before training begins: what of the OnSample stage adds to the training part."""

from __future__ import annotations

import numpy as np
import torch

from goodfit.data import Inputs, TrainPart
from goodfit.recipe import Recipe
from goodfit.stages import Synthesis
from goodfit.train.rng import stream


def grown(train: TrainPart, recipe: Recipe, inputs: Inputs, seed: int) -> TrainPart:
    """The training part with what a recipe's techniques make of it behind its own rows; −1 is where those stood.

    Only what is trained on grows: losses, metrics and shares of classes are those of the rows that there are.
    """
    for technique in recipe.at(Synthesis):
        x, y = technique.synthesize(train.x, train.y, inputs, stream(seed, 0, "rows"))
        if len(y):
            rows = np.concatenate([train.rows, np.full(len(y), -1, train.rows.dtype)])
            train = TrainPart(torch.cat([train.x, x]), torch.cat([train.y, y]), rows)
    return train
