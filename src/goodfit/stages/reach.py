"""Where a technique reaches in a network, and why not elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch.nn.modules.conv import _ConvNd

from goodfit import surgery
from goodfit.stages.on_model import Noise
from goodfit.stages.on_weights import Decay, OnWeights, Proximal, Quadratic, Scaling


def acting_noises(technique: Noise, chosen: Sequence[surgery.Layer]) -> Iterator[tuple[surgery.Layer, Noise]]:
    """The layers in front of which a noise acts, and the noise as it acts there."""
    for layer in chosen:
        noise = technique.before(layer.first)
        if noise is not None and (technique.inputs == "any" or isinstance(layer.module, _ConvNd)):
            yield layer, noise


def why_not(technique: OnWeights, ref: surgery.WeightRef) -> str:
    """Why a technique does not act on a tensor that its selector chooses; empty where it does.

    A weight-normed layer holds the norms of its units' weights: what scales weights, or penalises their squares, acts
    on those, with the same effect. Other techniques need the weights themselves.
    """
    if not ref.tensor.requires_grad:
        return "frozen"
    if ref.role == surgery.MAGNITUDE and not _scales(technique):
        return "weight-normed: the layer holds norms, not weights"
    if technique.matrices and ref.tensor.ndim < 2:
        return "one number per unit has no incoming weights"
    return ""


def _scales(technique: OnWeights) -> bool:
    return isinstance(technique, Quadratic | Decay | Scaling) and not isinstance(technique, Proximal)
