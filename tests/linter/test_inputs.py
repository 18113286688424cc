from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import nn

from goodfit.linter import LintMessage, inputs

Ask = Callable[..., list[LintMessage]]
One = Callable[..., LintMessage]


@pytest.mark.parametrize("name", ["mixup", "cutmix", "cut_out", "fgsm", "jacobian_penalty"])
def test_codes_fires(name: str, one: One) -> None:
    assert one(inputs.codes, name, integer_inputs=True).techniques == (name,)


def test_codes_is_silent(ask: Ask) -> None:
    assert ask(inputs.codes, "mixup, fgsm, jacobian_penalty") == []
    assert ask(inputs.codes, "manifold_mixup, label_smoothing, dropout", integer_inputs=True) == []


def test_categories_fires(one: One) -> None:
    message = one(inputs.categories, "mixup(categories='blend'), gaussian_noise, fgsm", categories=True)
    assert message.techniques == ("mixup", "fgsm", "gaussian_noise")
    assert "column_noise" in message.remedy


def test_categories_is_silent(ask: Ask) -> None:
    assert ask(inputs.categories, "mixup, gaussian_noise") == []
    hidden_only = "gaussian_noise(stddev=0.1, input_stddev=0.0), dropout(0.1, input_rate=0.1), cutmix"
    assert ask(inputs.categories, hidden_only, categories=True) == []
    assert ask(inputs.categories, "mixup, cutmix, cut_out, swap_noise, column_noise", categories=True) == []


def test_attacks_in_batch_norm_fires(one: One, normed: nn.Sequential) -> None:
    assert one(inputs.attacks_in_batch_norm, "fgsm", normed).where == ("1", "4")
    assert one(inputs.attacks_in_batch_norm, "fgsm, batch_norm").where == ("0", "2")


def test_attacks_in_batch_norm_is_silent(ask: Ask, normed: nn.Sequential) -> None:
    assert ask(inputs.attacks_in_batch_norm, "fgsm") == []
    assert ask(inputs.attacks_in_batch_norm, "fgsm, layer_norm") == []
    assert ask(inputs.attacks_in_batch_norm, "mixup", normed) == []


def test_sparse_relu_fires(one: One) -> None:
    assert one(inputs.sparse_relu, "kl_sparsity").remedy == "take activity_l1"


def test_sparse_relu_is_silent(ask: Ask) -> None:
    sigmoids = nn.Sequential(nn.Linear(4, 4), nn.Sigmoid(), nn.Linear(4, 2))
    assert ask(inputs.sparse_relu, "kl_sparsity", sigmoids) == []
    mixed = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.Sigmoid(), nn.Linear(4, 2))
    assert ask(inputs.sparse_relu, "kl_sparsity", mixed) == []
    assert ask(inputs.sparse_relu, "kl_sparsity", nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))) == []
    assert ask(inputs.sparse_relu, "activity_l1") == []
