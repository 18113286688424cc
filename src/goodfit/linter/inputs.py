"""Rules about what the inputs are."""

from __future__ import annotations

from collections.abc import Iterator

from goodfit.linter import sources
from goodfit.linter.message import Context, LintMessage
from goodfit.linter.view import View, names
from goodfit.stages import Noise, OnBatch
from goodfit.technique import Technique


def codes(view: View, context: Context) -> Iterator[LintMessage]:
    """Arithmetic on inputs that are codes, such as the numbers of tokens."""
    found = [t for t in view.techniques if isinstance(t, OnBatch) and t.inputs == "floats"]
    if context.integer_inputs and (found or view.has("jacobian_penalty")):
        yield LintMessage(
            "error",
            names([*found, *view.named("jacobian_penalty")]),
            (),
            "the inputs are whole numbers that stand for something, which cannot be blended, moved or differentiated",
            "",
            "take manifold_mixup, dropout or gaussian_noise behind the embedding",
        )


def categories(view: View, context: Context) -> Iterator[LintMessage]:
    """Blends of category codes, or noise on them, are no categories."""
    blending = [t for t in view.named("mixup") if t.values()["categories"] == "blend"]
    found = [*blending, *view.named("fgsm"), *_noisy_inputs(view)]
    if context.categories and not context.integer_inputs and found:
        yield LintMessage(
            "warning",
            names(found),
            (),
            "some columns are categories, and a category in part, or with noise on it, is one that no row has",
            "",
            "take column_noise, swap_noise, cutmix or mixup (categories='draw'), or set the strength on the input to 0",
        )


def attacks_in_batch_norm(view: View, context: Context) -> Iterator[LintMessage]:
    """Clean and adversarial rows share the statistics of a batch norm, though they are distributed differently."""
    where = tuple(place.name for place in view.flow if place.kind == "batch_norm")
    if view.has("fgsm") and where:
        yield LintMessage(
            "note",
            ("fgsm",),
            where,
            "clean and attacked rows share a batch norm's statistics, though they are distributed differently, which "
            "costs accuracy on clean rows",
            sources.XIE_2020,
            "take layer_norm, or attack all rows or few (share)",
        )


def sparse_relu(view: View, context: Context) -> Iterator[LintMessage]:
    """KL sparsity compares mean activations with a share, which only units in (0, 1) have."""
    bounded = any(type(module).__name__ in ("Sigmoid", "Hardsigmoid") for module in view.model.modules())
    unbounded = any(type(module).__name__ in ("ReLU", "LeakyReLU", "GELU", "SiLU") for module in view.model.modules())
    if view.has("kl_sparsity") and unbounded and not bounded:
        yield LintMessage(
            "warning",
            ("kl_sparsity",),
            (),
            "it takes mean activations for shares of the time, which holds for sigmoids and not for unbounded units",
            sources.NG,
            "take activity_l1",
        )


def _noisy_inputs(view: View) -> list[Technique]:
    """The noises that add to the network's own input (what drops whole inputs is left out)."""
    adding = view.named("gaussian_noise", "parametric_noise")
    return [t for t in adding if isinstance(t, Noise) and any(layer.first for layer in view.layers(t))]


RULES = (codes, categories, attacks_in_batch_norm, sparse_relu)
