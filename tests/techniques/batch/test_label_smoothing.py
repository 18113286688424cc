from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from goodfit.data import Split
from goodfit.data.inputs import TABLE
from goodfit.errors import InputError
from goodfit.techniques import LabelSmoothing
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.losses import binary_cross_entropy, cross_entropy


@pytest.mark.parametrize("amount", [0.0, 0.1, 0.6])
def test_loss_equals_torch_label_smoothing(amount: float) -> None:
    g = torch.Generator().manual_seed(0)
    logits = torch.randn(7, 4, generator=g, dtype=torch.float64)
    y = torch.tensor([0, 1, 2, 3, 0, 1, 2])
    _, soft = LabelSmoothing(amount).transform_batch(logits, F.one_hot(y, 4).double(), (), TABLE)
    torch.testing.assert_close(soft.sum(1), torch.ones(7, dtype=torch.float64))
    expected = F.cross_entropy(logits, y, label_smoothing=amount, reduction="none")
    torch.testing.assert_close(cross_entropy(logits, soft), expected)


def test_values_by_hand() -> None:
    x, y = torch.zeros(2, 1), torch.eye(4)[:2]
    same, soft = LabelSmoothing(0.2).transform_batch(x, y, (), TABLE)
    assert same is x
    torch.testing.assert_close(soft, torch.tensor([[0.85, 0.05, 0.05, 0.05], [0.05, 0.85, 0.05, 0.05]]))


def test_pixels_of_masks_are_smoothed_over_the_classes() -> None:
    y = torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1).expand(1, 2, 3, 4)  # (row, class, height, width)
    _, soft = LabelSmoothing(0.2).transform_batch(torch.zeros(1, 1, 3, 4), y, (), TABLE)
    torch.testing.assert_close(soft, torch.tensor([0.9, 0.1]).reshape(1, 2, 1, 1).expand(1, 2, 3, 4))


def test_training_equals_torch_label_smoothing(
    three_class_split: Split, make_net: Callable[..., nn.Sequential]
) -> None:
    def smoothed(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(output, y, label_smoothing=0.2, reduction="none")

    settings = Training(epochs=3, batch_size=16)
    ours = fit(make_net(), three_class_split, LabelSmoothing(0.2), settings)
    theirs = fit(make_net(), three_class_split, "", settings, loss=smoothed)
    for name, weight in theirs.last.items():
        torch.testing.assert_close(ours.last[name], weight, rtol=1e-4, atol=1e-6)
    assert ours.history["stop_loss"][-1] != pytest.approx(theirs.history["stop_loss"][-1])  # with original labels


def test_single_logit_for_two_classes(two_class_split: Split, make_net: Callable[..., nn.Sequential]) -> None:
    logits = torch.tensor([[0.3], [-1.0]])
    _, soft = LabelSmoothing(0.2).transform_batch(logits, torch.eye(2), (), TABLE)
    expected = F.binary_cross_entropy_with_logits(logits.flatten(), torch.tensor([0.1, 0.9]), reduction="none")
    torch.testing.assert_close(binary_cross_entropy(logits, soft), expected)
    fit(make_net(1), two_class_split, LabelSmoothing(0.2), Training(epochs=1))


def test_regression_targets_are_an_error(regression_split: Split, make_net: Callable[..., nn.Sequential]) -> None:
    with pytest.raises(InputError, match="LabelSmoothing: it acts on class labels; the target is a number"):
        fit(make_net(1), regression_split, LabelSmoothing(0.2))
