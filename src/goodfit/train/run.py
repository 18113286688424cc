"""What training returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from goodfit.data import Preprocessing, TaskSpec
from goodfit.data.metrics import probabilities
from goodfit.history import History
from goodfit.recipe import Recipe
from goodfit.train.config import Training
from goodfit.train.ensemble import holding
from goodfit.train.evaluate import masks, outputs
from goodfit.train.monte_carlo import sampled

Weights = dict[str, Tensor]


@dataclass(eq=False)
class Run:
    """A trained network and how it came about.

    `model` is the network with the kept weights: those of the best epoch where the recipe stops early, training was
    interrupted or went astray; else the last ones (`kept` says which). `best` and `last` hold both. Noise is out of it;
    layers that the recipe inserted are in it.
    """

    model: nn.Module
    history: History
    recipe: Recipe
    training: Training
    seed: int
    spec: TaskSpec
    preprocessing: Preprocessing | None
    metric: str
    loss: str
    kept: str
    best_epoch: int
    best: Weights
    last: Weights
    network: str = ""
    stopped: str = ""
    interrupted: bool = False
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def epochs(self) -> int:
        """Epochs that were trained and measured."""
        return len(self.history)

    @property
    def kept_epoch(self) -> int:
        """The epoch of the kept weights."""
        return self.best_epoch if self.kept == "best" else self.epochs

    @property
    def row(self) -> Mapping[str, float]:
        """The row of the History at the kept epoch."""
        return self.history.at(self.kept_epoch)

    def outputs(self, x: Tensor) -> Tensor:
        """Raw outputs of the kept weights: x (rows, *input_shape), preprocessed → (rows, outputs)."""
        return outputs(self.model, x)

    def sampled(self, x: Tensor, times: int = 30, seed: int = 0) -> Tensor:
        """Raw outputs with the recipe's noise left on (Monte Carlo dropout): x (rows, …) → (times, rows, outputs).

        Their mean is the prediction of an ensemble of sub-networks, their spread a measure of its doubt.

        Raises:
            InputError: neither recipe nor network has noise.
        """
        return sampled(self.model, self.recipe, x, times, seed)

    def predict(self, x: Tensor) -> Any:
        """Class names (rows,), or numbers (rows,) in the target's own unit.

        Of masks (rows, height, width) uint8: each pixel's class as its place in `spec.classes`.
        """
        if self.spec.task == "segmentation":
            return masks(self.model, x).cpu().numpy()
        raw = self.outputs(x)
        if self.spec.task == "regression":
            values = raw.flatten().double().cpu().numpy()
            return self.preprocessing.restore_target(values) if self.preprocessing else values
        return [self.spec.classes[i] for i in probabilities(raw).argmax(1)]

    def probabilities(self, x: Tensor) -> Any:
        """Class probabilities (rows, classes), float64; of masks (rows, classes, height, width)."""
        raw = self.outputs(x)
        if self.spec.task == "segmentation":
            return np.moveaxis(probabilities(raw.movedim(1, -1)), -1, 1)
        return probabilities(raw)

    def keep(self, which: str) -> Run:
        """The same run with the `best` or the `last` weights in its model."""
        self.model = holding(self.model, self.best if which == "best" else self.last, self.spec.task).eval()
        self.kept = which
        return self

    def __repr__(self) -> str:
        stopped = f", stopped: {self.stopped}" if self.stopped else ""
        return f"Run({self.recipe}, epoch {self.kept_epoch} of {self.epochs} kept{stopped})"


def snapshot(model: nn.Module) -> Weights:
    """A copy of every weight and buffer."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def same(a: Weights, b: Weights) -> bool:
    """Whether two sets of weights are equal to the bit."""
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
