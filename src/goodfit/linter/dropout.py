"""Rules about dropout: where it stands, what it stands beside."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from goodfit import surgery
from goodfit.linter import sources
from goodfit.linter.flow import DROPOUTS, Place, own_code, own_dropouts
from goodfit.linter.message import Context, LintMessage, Severity
from goodfit.linter.view import View, names, number
from goodfit.stages import BranchNoise, Noise, Recurrent, WeightPerturbation

NARROW = 16
"""Units below which dropping some leaves too few."""


def before_batch_norm(view: View, context: Context) -> Iterator[LintMessage]:
    """Dropout whose output reaches a batch norm through at most one layer: the variance that the norm learns is wrong.

    The network's own `nn.Dropout` counts too, in the order of registration; outside an `nn.Sequential` that is a guess,
    and a note. Regions (`drop_block`) are left out: their paper uses them in front of batch norms, with gains.
    """
    hits: dict[tuple[Severity, tuple[str, ...]], list[str]] = {}
    waiting: list[tuple[Place, bool]] = []  # whether a layer has been passed
    for place in view.flow:
        if place.kind == "dropout" and not (place.technique and place.technique.name() == "drop_block"):
            waiting.append((place, False))
        elif place.kind == "layer":
            waiting = [(p, True) for p, passed in waiting if not passed]
        elif place.kind == "batch_norm":
            for dropout, _ in waiting:
                who = names([p.technique for p in (dropout, place) if p.technique])
                sure = all(p.technique or p.in_line for p in (dropout, place))
                hits.setdefault(("warning" if sure else "note", who), []).append(dropout.name)
        if place.kind in ("batch_norm", "norm"):
            waiting = []
    for (severity, who), where in hits.items():
        yield LintMessage(
            severity,
            who,
            tuple(where),
            "dropout in front of a batch norm raises the variance that the norm sees in training and learns for "
            "evaluation, where there is no dropout (order of registration)",
            sources.LI,
            "drop only behind the last batch norm (on=last), or leave one of them out",
        )


def twice(view: View, context: Context) -> Iterator[LintMessage]:
    """Two dropouts on the same input: the shares that are kept multiply."""
    run: list[Place] = []
    hits: dict[tuple[str, ...], list[str]] = {}
    for place in view.flow:
        if place.kind == "dropout":
            run.append(place)
            continue
        ours = names([p.technique for p in run if p.technique])
        if place.kind == "layer" and len(run) > 1 and ours:
            hits.setdefault(ours, []).append(place.name)
        if place.kind not in ("scales", "noise"):
            run = []
    for who, where in hits.items():
        reason = "several dropouts act on the inputs of these layers, and the shares that they keep multiply"
        yield LintMessage("warning", who, tuple(where), reason, "", "keep one of them")


def own_too(view: View, context: Context) -> Iterator[LintMessage]:
    """The network has dropout of its own, and the recipe adds more."""
    own = own_dropouts(view.model)
    if own and view.has(*DROPOUTS):
        yield LintMessage(
            "note",
            names(view.named(*DROPOUTS)),
            tuple(own),
            "the network has dropout of its own, which stays and acts beside the recipe's",
            "",
            "set its rate to 0 to compare recipes, or leave dropout out of the recipe",
        )


def on_maps(view: View, context: Context) -> Iterator[LintMessage]:
    """Single units dropped from maps: their neighbours carry the same information."""
    for technique in view.named("dropout"):
        assert isinstance(technique, Noise)
        spatial = [x for x in view.layers(technique) if not x.first and (surgery.features(x.module) or (0, 0))[1]]
        if spatial:
            yield LintMessage(
                "note",
                names([technique]),
                tuple(layer.name for layer in spatial),
                "neighbours in a map are alike, so that dropping single units of it hides little",
                sources.TOMPSON,
                "take spatial_dropout or drop_block there",
            )


def alpha_without_selu(view: View, context: Context) -> Iterator[LintMessage]:
    """AlphaDropout keeps mean and variance of SELU's outputs only."""
    if view.has("alpha_dropout") and not _has_selu(view.model):
        code = " (F.selu in a forward pass cannot be seen)" if own_code(view.model) else ""
        yield LintMessage(
            "warning",
            ("alpha_dropout",),
            (),
            f"it keeps mean and variance only behind SELU, and no nn.SELU is in the network{code}",
            sources.KLAMBAUER,
            "take dropout",
        )


def plain_with_selu(view: View, context: Context) -> Iterator[LintMessage]:
    """Plain dropout moves mean and variance away from where SELU keeps them."""
    used = view.named("dropout", "gaussian_dropout")
    if used and _has_selu(view.model):
        yield LintMessage(
            "note",
            names(used),
            (),
            "SELU keeps activations at mean 0 and variance 1, which setting units to 0 disturbs",
            sources.KLAMBAUER,
            "take alpha_dropout",
        )


def in_narrow_layers(view: View, context: Context) -> Iterator[LintMessage]:
    """Dropout among few units: Srivastava's appendix A asks for n / (1 − rate) units where n would do without."""
    for technique in view.named("dropout", "alpha_dropout", "spatial_dropout"):
        assert isinstance(technique, Noise)
        inside = [layer for layer in view.layers(technique) if not layer.first]
        narrow = [layer.name for layer in inside if 0 < _incoming(layer.module) < NARROW]
        if narrow:
            rate = number(technique, "rate")
            yield LintMessage(
                "note",
                names([technique]),
                tuple(narrow),
                f"fewer than {NARROW} units flow in, and of those a share of {rate:g} is dropped",
                sources.SRIVASTAVA,
                f"widen the layers by 1 / (1 − rate) = {1 / (1 - rate):.2g}, or leave them out by on=",
            )


def r_drop_without_noise(view: View, context: Context) -> Iterator[LintMessage]:
    """R-Drop compares two passes: without anything random in them they are equal, and the term is zero."""
    random = [t for t in view.techniques if isinstance(t, Noise | BranchNoise | WeightPerturbation | Recurrent)]
    if view.has("r_drop") and not random and not own_dropouts(view.model):
        hidden = own_code(view.model)
        yield LintMessage(
            "warning" if hidden else "error",
            ("r_drop",),
            (),
            "nothing differs between its two forward passes, so that its term is always zero"
            + (" (unless a forward pass calls F.dropout, which cannot be seen)" if hidden else ""),
            sources.LIANG,
            "add dropout to the recipe, or leave r_drop out",
        )


def _has_selu(model: nn.Module) -> bool:
    return any(isinstance(module, nn.SELU) for module in model.modules())


def _incoming(module: nn.Module) -> int:
    """Units that flow into a layer; 0 where it is not a linear or convolution layer."""
    count = getattr(module, "in_features", getattr(module, "in_channels", 0))
    return count if isinstance(count, int) else 0


RULES = (
    before_batch_norm,
    twice,
    own_too,
    on_maps,
    alpha_without_selu,
    plain_with_selu,
    in_narrow_layers,
    r_drop_without_noise,
)
