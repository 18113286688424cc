"""Rules about techniques that transform gradients."""

from __future__ import annotations

from collections.abc import Iterator

from goodfit.linter import sources
from goodfit.linter.message import Context, LintMessage
from goodfit.linter.view import View, names, number

SMALL = 0.1
"""Nearly every gradient has a larger norm."""


def sam_with_batch_norm(view: View, context: Context) -> Iterator[LintMessage]:
    """SAM's second pass must not update running statistics, and its gain comes mostly from the norms' parameters."""
    where = tuple(item.name for item in view.flow if item.kind == "batch_norm")
    if view.has("sam") and where:
        yield LintMessage(
            "note",
            ("sam",),
            where,
            "its second pass would update the running statistics with perturbed weights (fit prevents this), and its "
            "gain comes mostly from the scale and shift of batch norms",
            sources.MUELLER,
            "in a training loop of your own, do not update the statistics in the second pass",
        )


def sam_with_accumulation(view: View, context: Context) -> Iterator[LintMessage]:
    """With gradient accumulation, SAM perturbs the weights for many rows at once, which generalizes less well."""
    if view.has("sam") and context.accumulate > 1:
        yield LintMessage(
            "note",
            ("sam",),
            (),
            f"with a batch in {context.accumulate} parts, it perturbs the weights once, by the gradient of all parts; "
            "a perturbation for each part (a smaller m) generalizes better in publications",
            sources.ANDRIUSHCHENKO,
            "compare with smaller batches without accumulation",
        )


def small_norm_under_adam(view: View, context: Context) -> Iterator[LintMessage]:
    """A clipping threshold that all gradients exceed has little effect under Adam, which rescales gradients."""
    for technique in view.named("clip_grad_norm"):
        bound = number(technique, "max_norm")
        if bound < SMALL and context.adaptive:  # not if the optimizer is unknown
            yield LintMessage(
                "note",
                ("clip_grad_norm",),
                (),
                f"a threshold of {bound:g} clips nearly every gradient, and {context.optimizer} does not depend on the "
                "scale of gradients; the only effect left is that all batches count alike",
                sources.KINGMA,
                "raise it to a norm that gradients rarely exceed (about 1)",
            )


def clipping_with_bounded_loss(view: View, context: Context) -> Iterator[LintMessage]:
    """The loss already bounds the gradient of each row."""
    clipping = view.named("clip_grad_norm", "clip_grad_value")
    if clipping and context.loss in ("huber", "mae", "l1", "smooth_l1"):
        reason = f"the {context.loss} loss already bounds the gradient of each row"
        remedy = "remove it unless the network itself amplifies gradients"
        yield LintMessage("note", names(clipping), (), reason, "", remedy)


RULES = (sam_with_batch_norm, sam_with_accumulation, small_norm_under_adam, clipping_with_bounded_loss)
