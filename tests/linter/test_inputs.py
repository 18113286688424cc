from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import nn

from goodfit.linter import LintMessage, inputs

Ask = Callable[..., list[LintMessage]]
One = Callable[..., LintMessage]


@pytest.mark.parametrize("name", ["mixup", "cutmix", "cut_out", "fgsm", "jacobian_penalty"])
def test_arithmetic_on_codes_fires(name: str, one: One) -> None:
    assert one(inputs.arithmetic_on_codes, name, integer_inputs=True).techniques == (name,)


def test_arithmetic_on_codes_is_silent(ask: Ask) -> None:
    assert ask(inputs.arithmetic_on_codes, "mixup, fgsm, jacobian_penalty") == []
    assert ask(inputs.arithmetic_on_codes, "manifold_mixup, label_smoothing, dropout", integer_inputs=True) == []


def test_changed_categories_fires(one: One) -> None:
    message = one(inputs.changed_categories, "mixup(categories='blend'), gaussian_noise, fgsm", categories=True)
    assert message.techniques == ("mixup", "fgsm", "gaussian_noise")
    assert "column_noise" in message.remedy


def test_changed_categories_is_silent(ask: Ask) -> None:
    assert ask(inputs.changed_categories, "mixup, gaussian_noise") == []
    hidden_only = "gaussian_noise(stddev=0.1, input_stddev=0.0), dropout(0.1, input_rate=0.1), cutmix"
    assert ask(inputs.changed_categories, hidden_only, categories=True) == []
    assert ask(inputs.changed_categories, "mixup, cutmix, cut_out, swap_noise, column_noise", categories=True) == []


def test_fgsm_with_batch_norm_fires(one: One, normed: nn.Sequential) -> None:
    assert one(inputs.fgsm_with_batch_norm, "fgsm", normed).where == ("1", "4")
    assert one(inputs.fgsm_with_batch_norm, "fgsm, batch_norm").where == ("0", "2")


def test_fgsm_with_batch_norm_is_silent(ask: Ask, normed: nn.Sequential) -> None:
    assert ask(inputs.fgsm_with_batch_norm, "fgsm") == []
    assert ask(inputs.fgsm_with_batch_norm, "fgsm, layer_norm") == []
    assert ask(inputs.fgsm_with_batch_norm, "mixup", normed) == []


def test_kl_sparsity_without_sigmoid_fires(one: One) -> None:
    assert one(inputs.kl_sparsity_without_sigmoid, "kl_sparsity").remedy == "use activity_l1"


def test_kl_sparsity_without_sigmoid_is_silent(ask: Ask) -> None:
    sigmoids = nn.Sequential(nn.Linear(4, 4), nn.Sigmoid(), nn.Linear(4, 2))
    assert ask(inputs.kl_sparsity_without_sigmoid, "kl_sparsity", sigmoids) == []
    mixed = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.Sigmoid(), nn.Linear(4, 2))
    assert ask(inputs.kl_sparsity_without_sigmoid, "kl_sparsity", mixed) == []
    assert ask(inputs.kl_sparsity_without_sigmoid, "kl_sparsity", nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))) == []
    assert ask(inputs.kl_sparsity_without_sigmoid, "activity_l1") == []


def test_every_technique_that_needs_floats_is_named(one: One) -> None:
    message = one(inputs.arithmetic_on_codes, "mixup, jacobian_penalty, l2", integer_inputs=True)
    assert message.techniques == ("mixup", "jacobian_penalty")
