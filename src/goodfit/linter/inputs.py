"""Rules about the network's inputs."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from goodfit.linter import sources
from goodfit.linter.message import Context, LintMessage
from goodfit.linter.view import View, names
from goodfit.stages import Noise
from goodfit.technique import Technique

UNBOUNDED = (nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU)
"""Activation functions whose values are not probabilities."""


def arithmetic_on_codes(view: View, context: Context) -> Iterator[LintMessage]:
    """A technique computes with inputs that are codes, such as word ids."""
    computing = [t for t in view.techniques if t.needs_floats]
    if context.integer_inputs and computing:
        yield LintMessage(
            "error",
            names(computing),
            (),
            "the inputs are integer codes, which cannot be blended, shifted or differentiated",
            "",
            "use manifold_mixup, dropout or gaussian_noise after the embedding",
        )


def changed_categories(view: View, context: Context) -> Iterator[LintMessage]:
    """Blended or noisy category codes are not valid categories."""
    blending = [t for t in view.named("mixup") if t.values()["categories"] == "blend"]
    changing = [*blending, *view.named("fgsm"), *_input_noises(view)]
    if context.categories and not context.integer_inputs and changing:
        yield LintMessage(
            "warning",
            names(changing),
            (),
            "some columns are categories, and a blended or noisy category is a value that occurs in no row",
            "",
            "use column_noise, swap_noise, cutmix or mixup (categories='draw'), or set the strength on the input to 0",
        )


def fgsm_with_batch_norm(view: View, context: Context) -> Iterator[LintMessage]:
    """Clean and adversarial rows share batch-norm statistics although their distributions differ."""
    where = tuple(item.name for item in view.flow if item.kind == "batch_norm")
    if view.has("fgsm") and where:
        yield LintMessage(
            "note",
            ("fgsm",),
            where,
            "clean and adversarial rows share the statistics of batch norms although their distributions differ, which "
            "lowers the accuracy on clean rows",
            sources.XIE_2020,
            "use layer_norm, or attack all rows or only a few (share)",
        )


def kl_sparsity_without_sigmoid(view: View, context: Context) -> Iterator[LintMessage]:
    """KL sparsity treats mean activations as probabilities, which requires activations in (0, 1)."""
    bounded = any(isinstance(module, nn.Sigmoid | nn.Hardsigmoid) for module in view.model.modules())
    unbounded = any(isinstance(module, UNBOUNDED) for module in view.model.modules())
    if view.has("kl_sparsity") and unbounded and not bounded:
        yield LintMessage(
            "warning",
            ("kl_sparsity",),
            (),
            "it treats mean activations as probabilities, which is valid for sigmoid units but not for unbounded units",
            sources.NG,
            "use activity_l1",
        )


def _input_noises(view: View) -> list[Technique]:
    """The techniques that add noise to the network's input (not those that drop whole inputs)."""
    adding = view.named("gaussian_noise", "parametric_noise")
    return [t for t in adding if isinstance(t, Noise) and any(layer.first for layer in view.layers(t))]


RULES = (arithmetic_on_codes, changed_categories, fgsm_with_batch_norm, kl_sparsity_without_sigmoid)
