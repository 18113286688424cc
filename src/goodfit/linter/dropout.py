"""Rules about dropout: where it acts, and what it acts together with."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from goodfit import surgery
from goodfit.linter import sources
from goodfit.linter.flow import DROPOUTS, FlowItem, dropout_modules, has_custom_forward
from goodfit.linter.message import Context, LintMessage, Severity
from goodfit.linter.view import View, names, number
from goodfit.stages import BranchNoise, Noise, Recurrent, WeightPerturbation

NARROW = 16
"""A layer with fewer input units is too narrow for dropout."""


def before_batch_norm(view: View, context: Context) -> Iterator[LintMessage]:
    """Dropout reaches a batch norm through at most one layer, so that the norm learns a wrong variance.

    The network's `nn.Dropout` counts too, in the order of registration; outside of an `nn.Sequential` this order is
    uncertain, and the message is a note. `drop_block` is exempt: its paper uses it before batch norms with success.
    """
    layers: dict[tuple[Severity, tuple[str, ...]], list[str]] = {}
    pending: list[tuple[FlowItem, bool]] = []  # dropouts, and whether a layer has followed
    for item in view.flow:
        if item.kind == "dropout" and not (item.technique and item.technique.name() == "drop_block"):
            pending.append((item, False))
        elif item.kind == "layer":
            pending = [(dropout, True) for dropout, layer_followed in pending if not layer_followed]
        elif item.kind == "batch_norm":
            for dropout, _ in pending:
                techniques = names([i.technique for i in (dropout, item) if i.technique])
                certain = all(i.technique or i.in_sequential for i in (dropout, item))
                layers.setdefault(("warning" if certain else "note", techniques), []).append(dropout.name)
        if item.kind in ("batch_norm", "norm"):
            pending = []
    for (severity, techniques), where in layers.items():
        yield LintMessage(
            severity,
            techniques,
            tuple(where),
            "dropout before a batch norm raises the variance that the norm sees in training; in evaluation, without "
            "dropout, its running variance is too large (inferred from the order of registration)",
            sources.LI,
            "use dropout only after the last batch norm (on=last), or remove one of them",
        )


def two_dropouts(view: View, context: Context) -> Iterator[LintMessage]:
    """Several dropouts act on the same input, so that their keep probabilities multiply."""
    successive: list[FlowItem] = []
    layers: dict[tuple[str, ...], list[str]] = {}
    for item in view.flow:
        if item.kind == "dropout":
            successive.append(item)
            continue
        techniques = names([i.technique for i in successive if i.technique])
        if item.kind == "layer" and len(successive) > 1 and techniques:
            layers.setdefault(techniques, []).append(item.name)
        if item.kind not in ("homogeneous", "noise"):
            successive = []
    for techniques, where in layers.items():
        reason = "several dropouts act on the input of these layers, and their keep probabilities multiply"
        yield LintMessage("warning", techniques, tuple(where), reason, "", "keep one of them")


def dropout_in_network(view: View, context: Context) -> Iterator[LintMessage]:
    """The network already contains dropout, and the recipe adds more."""
    modules = dropout_modules(view.model)
    if modules and view.has(*DROPOUTS):
        yield LintMessage(
            "note",
            names(view.named(*DROPOUTS)),
            tuple(modules),
            "the network already contains dropout, which acts in addition to the recipe's",
            "",
            "set its rate to 0 to compare recipes, or remove dropout from the recipe",
        )


def units_of_feature_maps(view: View, context: Context) -> Iterator[LintMessage]:
    """Dropout drops single units of feature maps, whose neighbours carry the same information."""
    for technique in view.named("dropout"):
        assert isinstance(technique, Noise)
        spatial = [x for x in view.layers(technique) if not x.first and (surgery.features(x.module) or (0, 0))[1]]
        if spatial:
            yield LintMessage(
                "note",
                names([technique]),
                tuple(layer.name for layer in spatial),
                "neighbouring units of a feature map are similar, so dropping single units removes little information",
                sources.TOMPSON,
                "use spatial_dropout or drop_block there",
            )


def alpha_dropout_without_selu(view: View, context: Context) -> Iterator[LintMessage]:
    """AlphaDropout preserves the mean and variance of SELU's outputs only."""
    if view.has("alpha_dropout") and not _has_selu(view.model):
        code = " (calls of F.selu in a forward pass are not detected)" if has_custom_forward(view.model) else ""
        yield LintMessage(
            "warning",
            ("alpha_dropout",),
            (),
            f"it preserves mean and variance only after SELU, and the network contains no nn.SELU{code}",
            sources.KLAMBAUER,
            "use dropout",
        )


def dropout_with_selu(view: View, context: Context) -> Iterator[LintMessage]:
    """Ordinary dropout changes the mean and variance that SELU preserves."""
    dropouts = view.named("dropout", "gaussian_dropout")
    if dropouts and _has_selu(view.model):
        yield LintMessage(
            "note",
            names(dropouts),
            (),
            "SELU keeps activations at mean 0 and variance 1, and setting units to 0 changes both",
            sources.KLAMBAUER,
            "use alpha_dropout",
        )


def dropout_in_narrow_layers(view: View, context: Context) -> Iterator[LintMessage]:
    """Few units remain: Srivastava et al., appendix A, advise n / (1 − rate) units in place of n without dropout."""
    for technique in view.named("dropout", "alpha_dropout", "spatial_dropout"):
        assert isinstance(technique, Noise)
        hidden = [layer for layer in view.layers(technique) if not layer.first]
        narrow = [layer.name for layer in hidden if 0 < _input_units(layer.module) < NARROW]
        if narrow:
            rate = number(technique, "rate")
            yield LintMessage(
                "note",
                names([technique]),
                tuple(narrow),
                f"these layers have fewer than {NARROW} input units, and a share of {rate:g} of them is dropped",
                sources.SRIVASTAVA,
                f"make the layers wider by a factor of 1 / (1 − rate) = {1 / (1 - rate):.2g}, or exclude them with on=",
            )


def r_drop_without_noise(view: View, context: Context) -> Iterator[LintMessage]:
    """R-Drop compares two forward passes; without randomness they are equal, and its loss term is zero."""
    random = [t for t in view.techniques if isinstance(t, Noise | BranchNoise | WeightPerturbation | Recurrent)]
    if view.has("r_drop") and not random and not dropout_modules(view.model):
        custom = has_custom_forward(view.model)
        yield LintMessage(
            "warning" if custom else "error",
            ("r_drop",),
            (),
            "its two forward passes do not differ, so its loss term is always zero"
            + (" (calls of F.dropout in a forward pass are not detected)" if custom else ""),
            sources.LIANG,
            "add dropout to the recipe, or remove r_drop",
        )


def _has_selu(model: nn.Module) -> bool:
    return any(isinstance(module, nn.SELU) for module in model.modules())


def _input_units(module: nn.Module) -> int:
    """The number of input units of a linear or convolution layer; 0 for other modules."""
    count = getattr(module, "in_features", getattr(module, "in_channels", 0))
    return count if isinstance(count, int) else 0


RULES = (
    before_batch_norm,
    two_dropouts,
    dropout_in_network,
    units_of_feature_maps,
    alpha_dropout_without_selu,
    dropout_with_selu,
    dropout_in_narrow_layers,
    r_drop_without_noise,
)
