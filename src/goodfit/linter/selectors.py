"""Rules about whether a technique finds layers or weights to act on."""

from __future__ import annotations

from collections.abc import Iterator

from goodfit import surgery
from goodfit.errors import InputError
from goodfit.linter.message import Context, LintMessage
from goodfit.linter.view import View, names
from goodfit.stages import BranchNoise, Noise, Normalization, OnWeights, inapplicable_reason


def nothing_matched(view: View, context: Context) -> Iterator[LintMessage]:
    """A selector matches no weight tensor."""
    for technique in view.techniques:
        on = technique.on
        if not on or isinstance(technique, BranchNoise):  # a branch noise selects modules, not layers
            continue
        who = type(technique).__name__
        try:
            surgery.select(view.model, on, who)
        except InputError as error:
            reason, remedy = str(error).removeprefix(f"{who}: ").rstrip("."), "select layers with on="
            yield LintMessage("error", names([technique]), (), reason, "", remedy)


def no_suitable_layer(view: View, context: Context) -> Iterator[LintMessage]:
    """A noise or a normalization finds no layer: no hidden layer, no feature maps, or only embeddings."""
    for technique in view.techniques:
        if isinstance(technique, Noise | Normalization) and not view.layers(technique) and view.tensors(technique):
            feature_maps = isinstance(technique, Noise) and technique.convolutions_only
            layers = "layers with feature maps (convolutions)" if feature_maps else "hidden layers"
            reason = f"it acts on {layers}, and on={technique.on!r} selects none of them"
            remedy = "select other layers with on=, or remove it"
            yield LintMessage("error", names([technique]), (), reason, "", remedy)


def frozen_weights(view: View, context: Context) -> Iterator[LintMessage]:
    """Penalties and constraints do not change frozen weights."""
    for technique in view.techniques:
        if not isinstance(technique, OnWeights):
            continue
        frozen = tuple(
            ref.name for ref in _selected(view, technique) if inapplicable_reason(technique, ref) == "frozen"
        )
        if frozen:
            ineffective = not view.tensors(technique)
            yield LintMessage(
                "warning" if ineffective else "note",
                names([technique]),
                frozen,
                "it does not act on frozen weights" + (", so it has no effect at all" if ineffective else ""),
                "",
                "unfreeze them, or select the other weights with on=",
            )


def _selected(view: View, technique: OnWeights) -> list[surgery.WeightRef]:
    try:
        return surgery.select(view.model, technique.on)
    except InputError:
        return []


RULES = (nothing_matched, no_suitable_layer, frozen_weights)
