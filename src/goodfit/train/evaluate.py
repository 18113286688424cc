"""Predictions and evaluation of networks: outputs, Monte Carlo samples, loss and metric on clean data."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from goodfit.checks import whole_number
from goodfit.data import Metric, Part, Split
from goodfit.data.metrics import predicted_classes
from goodfit.data.storage import take_rows
from goodfit.errors import InputError
from goodfit.kernels.mode import fast_linear, is_table
from goodfit.models.ensemble import EnsembleModel
from goodfit.recipe import Recipe
from goodfit.rng import generator, seeded, stream
from goodfit.stages import BranchNoise, Noise, Recurrent, Scheduled, TrainableStrengths, WeightPerturbation
from goodfit.surgery import NORMS, copy_module, dropout_rate
from goodfit.technique import Technique
from goodfit.train.losses import Criterion, by_row
from goodfit.train.stages.on_model import attach_layers

MAX_ROWS = 2048
"""Rows in a forward pass without gradients, at most."""
VALUES = 2**22
"""Input values in a forward pass without gradients, at most, so that the activations of large inputs fit in memory."""

CACHED_ROWS, FEWEST_CACHED_ROWS, CACHED_VALUES = 128, 16, 2**19
"""Rows at most, rows at least, and input values at most, in a forward pass of images or sequences on the CPU."""


def chunk_size(x: Tensor) -> int:
    """The rows of x (n, …) in one forward pass without gradients, at most.

    >>> chunk_size(torch.zeros(1, 20)), chunk_size(torch.zeros(1, 3, 256, 256))
    (2048, 21)
    """
    return max(1, min(MAX_ROWS, VALUES // max(1, x[0].numel())))


def rows_per_pass(x: Tensor) -> int:
    """The rows of x (n, …) in one forward pass without gradients that is fast.

    On the CPU the activations of images and sequences should stay in the processor's cache: convolutions on 128 images
    took a half to a quarter of the time per image that they took on 2,048.

    >>> [rows_per_pass(torch.zeros(1, *shape)) for shape in ((20,), (1, 28, 28), (3, 64, 64))]
    [2048, 128, 42]
    """
    if is_table(x) or x.device.type != "cpu":
        return chunk_size(x)
    return min(chunk_size(x), max(FEWEST_CACHED_ROWS, min(CACHED_ROWS, CACHED_VALUES // max(1, x[0].numel()))))


def predict_outputs(model: nn.Module, x: Tensor) -> Tensor:
    """The network's raw outputs for all rows x (n, …), in evaluation mode and without gradients."""
    model.eval()
    with torch.inference_mode():
        return _outputs(model, x)


def _outputs(network: nn.Module, x: Tensor) -> Tensor:
    with fast_linear(network, x, rows_per_pass(x)):
        return torch.cat([network(chunk) for chunk in x.split(rows_per_pass(x))])


def predict_masks(model: nn.Module, x: Tensor) -> Tensor:
    """The predicted class (rows, height, width) uint8 of each pixel of images x, in evaluation mode."""
    model.eval()
    with torch.inference_mode(), fast_linear(model, x, rows_per_pass(x)):
        return torch.cat([mask_of(model(chunk)) for chunk in x.split(rows_per_pass(x))])


def mask_of(output: Tensor) -> Tensor:
    """The predicted classes (rows, height, width) uint8 from logits (rows, class, height, width)."""
    return predicted_classes(output.movedim(1, -1)).to(torch.uint8)


# ---- Monte Carlo samples ---------------------------------------------------------------------------


def predict_mc(model: nn.Module, recipe: Recipe, x: Tensor, n_samples: int, seed: int) -> Tensor:
    """Raw outputs (n_samples, rows, outputs) with the recipe's noise active, drawn again for each sample.

    Normalization layers compute as in evaluation. Noise has its full strength, whatever its schedule; noise with a
    learned scale is left out. The network is unchanged.

    Raises:
        InputError: neither the recipe nor the network has noise.
    """
    n_samples = whole_number("predict_mc", "n_samples", n_samples, 1)
    noise_recipe = Recipe(tuple(_without_schedule(t) for t in recipe if _is_noise(t)))
    members = list(model.members) if isinstance(model, EnsembleModel) else [model]
    if not len(noise_recipe) and not any(map(dropout_rate, model.modules())):
        raise InputError(
            f"predict_mc: the recipe or the network must have noise, got recipe '{recipe}' and a network without "
            "dropout; every sample would be the same."
        )
    noise, networks = generator(seed, 0, "noise", x.device), []
    for member in members:
        attachment = attach_layers(copy_module(member), noise_recipe)
        attachment.context.generator = noise
        networks.append(_train_mode_except_norms(attachment.model))
    with seeded(stream(seed, 0, "user")), torch.no_grad():
        cycle = (networks[i % len(networks)] for i in range(n_samples))
        return torch.stack([_outputs(network, x) for network in cycle])


def _without_schedule(technique: Technique) -> Technique:
    return technique.with_values(schedule="constant") if isinstance(technique, Scheduled) else technique


def _is_noise(technique: Technique) -> bool:
    kinds = (Noise, BranchNoise, WeightPerturbation, Recurrent)
    return isinstance(technique, kinds) and not isinstance(technique, TrainableStrengths)


def _train_mode_except_norms(network: nn.Module) -> nn.Module:
    network.train()
    for module in network.modules():
        if isinstance(module, NORMS):
            module.eval()
    return network


SHARE = 0.05
"""Share of a large training part that is evaluated each epoch: about a sixtieth of an epoch's arithmetic."""


@dataclass(frozen=True)
class Evaluation:
    """Mean data loss per row, its standard error, and the metric."""

    loss: float
    loss_se: float
    metric: float


def evaluate(model: nn.Module, x: Tensor, y: Tensor, criterion: Criterion, metric: Metric) -> Evaluation:
    """Loss and metric of a network on rows x (n, …) with targets y (n,) or (n, 1), or masks (n, height, width)."""
    if y.ndim > 2:
        return _evaluate_masks(model, x, y, criterion, metric)
    output = predict_outputs(model, x)
    with torch.inference_mode():
        losses = criterion.losses(output, y)
    return _evaluation(losses, metric(output, y))


def _evaluation(losses: Tensor, score: float) -> Evaluation:
    if losses.ndim == 0:
        return Evaluation(float(losses), math.nan, score)
    n = len(losses)
    deviation = float(losses.std()) if n > 1 else math.nan
    return Evaluation(float(losses.mean()), deviation / math.sqrt(n), score)


def _evaluate_masks(model: nn.Module, x: Tensor, y: Tensor, criterion: Criterion, metric: Metric) -> Evaluation:
    """Chunk by chunk: the logits of every pixel of all rows would not fit in memory."""
    model.eval()
    per_row: list[Tensor] = []
    per_chunk: list[Tensor] = []
    predicted, classes = [], 0
    with torch.inference_mode(), fast_linear(model, x, rows_per_pass(x)):
        for rows, targets in zip(x.split(rows_per_pass(x)), y.split(rows_per_pass(x)), strict=True):
            output = model(rows)
            losses = by_row(criterion.losses(output, targets))
            (per_row if losses.ndim else per_chunk).append(losses)
            predicted.append(mask_of(output))
            classes = output.shape[1]
    losses = torch.cat(per_row) if per_row else torch.stack(per_chunk).mean()
    finite = bool(torch.isfinite(losses).all())
    return _evaluation(losses, metric.of_classes(torch.cat(predicted), y, classes) if finite else math.nan)


def training_sample(train: Part, seed: int) -> tuple[Tensor, Tensor]:
    """The training rows that are evaluated each epoch: all of a small part, a fixed random sample of a large one."""
    n = len(train)
    size = min(n, max(MAX_ROWS, math.ceil(SHARE * n)))
    if size == n:
        return train.x, train.y
    rows = torch.randperm(n, generator=generator(seed, 0, "sample"))[:size].sort().values
    return take_rows(train.x, rows), train.y[rows]


def constant_prediction_loss(criterion: Criterion, split: Split) -> float:
    """The data loss on the stop part of the best constant prediction, learned from the training part.

    The prediction is the class frequencies for classification losses, and the mean (for mae the median) for
    regression losses. NaN for a loss of the user's own.
    """
    y, stop = split.train.y, split.stop.y
    if criterion.name in ("cross_entropy", "binary_cross_entropy"):
        counts = torch.bincount(y.flatten(), minlength=len(split.spec.classes)).double() + 0.5  # no class is impossible
        output = counts.log()
        if criterion.name == "binary_cross_entropy":
            output = output[1:] - output[:1]
    elif criterion.name in ("mse", "mae", "huber"):
        output = y.median(0).values if criterion.name == "mae" else y.mean(0)
    else:
        return math.nan
    if stop.ndim > 2:  # masks
        return float(criterion.losses(output[:, None, None].expand(len(stop), -1, *stop.shape[1:]), stop).mean())
    return float(criterion.losses(output.expand(len(stop), -1), stop).mean())
