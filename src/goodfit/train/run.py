"""`Run`: a trained network with its history."""

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
from goodfit.models.ensemble import EnsembleModel
from goodfit.recipe import Recipe
from goodfit.surgery import copy_module
from goodfit.train.config import Training
from goodfit.train.evaluate import predict_masks, predict_mc, predict_outputs

Weights = dict[str, Tensor]


@dataclass(eq=False)
class Run:
    """A trained network with its recipe, settings and History.

    `model` is the network with the kept weights. These are the weights of the best epoch if the recipe stops early, or
    if training was interrupted or diverged; otherwise those of the last epoch (`kept` is "best" or "last"). `best` and
    `last` hold both. Hooks of the recipe are removed from the network; layers that the recipe inserted stay.
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
    metadata: dict[str, Any] = field(default_factory=dict)  # row counts, warnings, where techniques act

    @property
    def epochs(self) -> int:
        """The number of epochs that were trained."""
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
        return predict_outputs(self.model, x)

    def predict_mc(self, x: Tensor, n_samples: int = 30, seed: int = 0) -> Tensor:
        """Raw outputs with the recipe's noise active (Monte Carlo dropout).

        Their mean is the prediction of an ensemble of sub-networks; their standard deviation is an estimate of the
        predictive uncertainty.

        Shape: x (rows, *input_shape) → (n_samples, rows, outputs).

        Raises:
            InputError: neither the recipe nor the network has noise.
        """
        return predict_mc(self.model, self.recipe, x, n_samples, seed)

    def predict(self, x: Tensor) -> Any:
        """Predicted class names (rows,), or numbers (rows,) in the unit of the target.

        For segmentation: masks (rows, height, width) uint8 of indices into `spec.classes`.

        Shape: x (rows, *input_shape), preprocessed.
        """
        if self.spec.task == "segmentation":
            return predict_masks(self.model, x).cpu().numpy()
        raw = self.outputs(x)
        if self.spec.task == "regression":
            values = raw.flatten().double().cpu().numpy()
            return self.preprocessing.restore_target(values) if self.preprocessing else values
        return [self.spec.classes[i] for i in probabilities(raw).argmax(1)]

    def probabilities(self, x: Tensor) -> Any:
        """Class probabilities (rows, classes), float64; for masks (rows, classes, height, width)."""
        raw = self.outputs(x)
        if self.spec.task == "segmentation":
            return np.moveaxis(probabilities(raw.movedim(1, -1)), -1, 1)
        return probabilities(raw)

    def keep(self, which: str) -> Run:
        """Put the `best` or the `last` weights into the model; the run itself."""
        self.model = with_weights(self.model, self.best if which == "best" else self.last, self.spec.task).eval()
        self.kept = which
        return self

    def __repr__(self) -> str:
        stopped = f", stopped: {self.stopped}" if self.stopped else ""
        return f"Run({self.recipe}, epoch {self.kept_epoch} of {self.epochs} kept{stopped})"


def snapshot(model: nn.Module) -> Weights:
    """A copy of every weight and buffer, in the usual memory format."""
    return {
        name: tensor.detach().clone(memory_format=torch.contiguous_format)
        for name, tensor in model.state_dict().items()
    }


def same(a: Weights, b: Weights) -> bool:
    """Whether two sets of weights are equal to the bit."""
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def with_weights(network: nn.Module, weights: Mapping[str, Tensor], task: str) -> nn.Module:
    """The network with these weights; an `EnsembleModel` of copies of it if they are the weights of an ensemble."""
    network = network.members[0] if isinstance(network, EnsembleModel) else network
    prefix = "members."
    numbers = {name.split(".")[1] for name in weights if name.startswith(prefix)}
    if numbers and not any(name.startswith(prefix) for name in network.state_dict()):
        network = EnsembleModel([copy_module(network) for _ in numbers], task)
    network.load_state_dict(weights)
    return network
