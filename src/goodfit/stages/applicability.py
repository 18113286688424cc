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


def is_neutral(noise: Noise) -> bool:
    """Whether the strength for one layer's input is neutral (the strength for the network's input may not be)."""
    main = noise.main_knob()
    return main is not None and noise.values()[main] == noise.knobs()[main].neutral


def inapplicable_reason(technique: OnWeights, ref: surgery.WeightRef) -> str:
    """Why a technique does not act on a selected tensor; empty if it does.

    A weight-normed layer holds the norms of groups of its weights. Techniques that shrink weights or penalize their
    squares act on these norms, with the same effect; constraints on the norms of units do so where the groups are the
    units. Other techniques need the weights themselves.
    """
    if not ref.tensor.requires_grad:
        return "frozen"
    if ref.role == surgery.MAGNITUDE and not _acts_on_norms(technique):
        return "weight-normed: the layer holds norms, not weights"
    if ref.role == surgery.MAGNITUDE and isinstance(technique, Scaling) and not _holds_unit_norms(technique, ref):
        return "weight-normed: the layer does not hold the norms that it bounds"
    if technique.needs_matrix and ref.tensor.ndim < 2:
        return "one number per unit has no incoming weights"
    return ""


def _acts_on_norms(technique: OnWeights) -> bool:
    return isinstance(technique, QuadraticPenalty | Decay | Scaling) and not isinstance(technique, ProximalPenalty)


def _holds_unit_norms(technique: Scaling, ref: surgery.WeightRef) -> bool:
    """Whether the magnitudes of a weight-normed layer are one number per unit, and the technique scales units."""
    blocks = ref.blocks()
    return all(b[0].numel() == 1 and technique.axes(b.ndim) == tuple(range(1, b.ndim)) for b in blocks if b.ndim > 1)
