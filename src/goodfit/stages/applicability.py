"""Where in a network a technique acts, and the reasons why it does not act elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch.nn.modules.conv import _ConvNd

from goodfit import surgery
from goodfit.stages.on_model import Noise
from goodfit.stages.on_weights import Decay, OnWeights, ProximalPenalty, QuadraticPenalty, Scaling


def noise_by_layer(technique: Noise, chosen: Sequence[surgery.Layer]) -> Iterator[tuple[surgery.Layer, Noise]]:
    """The layers among `chosen` whose input a noise perturbs, each with the noise at its strength there."""
    for layer in chosen:
        noise = technique.for_layer(layer.first)
        if noise is not None and (not technique.convolutions_only or isinstance(layer.module, _ConvNd)):
            yield layer, noise


def inapplicable_reason(technique: OnWeights, ref: surgery.WeightRef) -> str:
    """Why a technique does not act on a selected tensor; empty if it does.

    A weight-normed layer holds the norms of its units' weights. Techniques that scale weights or penalise their squares
    act on these norms, with the same effect. Other techniques need the weights themselves.
    """
    if not ref.tensor.requires_grad:
        return "frozen"
    if ref.role == surgery.MAGNITUDE and not _acts_on_norms(technique):
        return "weight-normed: the layer holds norms, not weights"
    if technique.needs_matrix and ref.tensor.ndim < 2:
        return "one number per unit has no incoming weights"
    return ""


def _acts_on_norms(technique: OnWeights) -> bool:
    return isinstance(technique, QuadraticPenalty | Decay | Scaling) and not isinstance(technique, ProximalPenalty)
