"""Rules about whether a technique reaches anything."""

from __future__ import annotations

from collections.abc import Iterator

from goodfit import surgery
from goodfit.errors import InputError
from goodfit.linter.message import Context, LintMessage
from goodfit.linter.view import View, names
from goodfit.stages import BranchNoise, Noise, Normalisation, OnWeights, why_not


def nothing_matched(view: View, context: Context) -> Iterator[LintMessage]:
    """A selector that chooses no weight tensor."""
    for technique in view.techniques:
        on = getattr(technique, "on", None)
        if not on or isinstance(technique, BranchNoise):  # those choose modules that are not layers
            continue
        try:
            surgery.select(view.model, str(on), type(technique).__name__)
        except InputError as error:
            yield LintMessage("error", names([technique]), (), str(error).rstrip("."), "", "choose layers with on=")


def no_place(view: View, context: Context) -> Iterator[LintMessage]:
    """A noise or a normalisation without a layer to act at: no hidden layer, no maps, or embeddings only."""
    for technique in view.techniques:
        if isinstance(technique, Noise | Normalisation) and not view.layers(technique) and view.tensors(technique):
            wanted = "maps (convolutions)" if getattr(technique, "inputs", "") == "maps" else "hidden layers"
            reason = f"none of the layers that on={technique.on!r} chooses is one it acts at: it is for {wanted}"
            yield LintMessage(
                "error", names([technique]), (), reason, "", "choose other layers with on=, or leave it out"
            )


def frozen(view: View, context: Context) -> Iterator[LintMessage]:
    """Weights that are not trained: penalties and constraints leave them alone."""
    for technique in view.techniques:
        if not isinstance(technique, OnWeights):
            continue
        still = tuple(s.name for s in _chosen(view, technique) if why_not(technique, s) == "frozen")
        if still:
            idle = not view.tensors(technique)
            yield LintMessage(
                "warning" if idle else "note",
                names([technique]),
                still,
                "these weights are frozen, and it leaves them alone" + (": it does nothing at all" if idle else ""),
                "",
                "unfreeze them, or choose the others by on=",
            )


def _chosen(view: View, technique: OnWeights) -> list[surgery.WeightRef]:
    try:
        return surgery.select(view.model, technique.on)
    except InputError:
        return []


RULES = (nothing_matched, no_place, frozen)
