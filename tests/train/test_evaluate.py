"""Evaluation in evaluation mode: losses, standard errors, the rows to evaluate, and the baseline loss."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from goodfit.data import Split, TrainPart, from_tensors, metric
from goodfit.recipe import Recipe
from goodfit.rng import generator
from goodfit.train.evaluate import (
    MAX_ROWS,
    SHARE,
    chunk_size,
    constant_prediction_loss,
    evaluate,
    mask_of,
    predict_masks,
    predict_mc,
    predict_outputs,
    training_sample,
)
from goodfit.train.losses import LOSSES, Criterion

MSE = Criterion("mse", LOSSES["mse"])


def test_loss_standard_error_and_metric() -> None:
    x, y = torch.tensor([[0.0], [0.0], [0.0]]), torch.tensor([[1.0], [2.0], [3.0]])
    evaluation = evaluate(nn.Identity(), x, y, MSE, metric("rmse"))
    losses = torch.tensor([1.0, 4.0, 9.0])
    assert evaluation.loss == pytest.approx(14 / 3)
    assert evaluation.loss_se == pytest.approx(float(losses.std()) / 3**0.5)
    assert evaluation.metric == pytest.approx((14 / 3) ** 0.5)


def test_the_standard_error_is_nan_for_one_row_and_for_losses_without_rows() -> None:
    x, y = torch.zeros(1, 1), torch.ones(1, 1)
    assert math.isnan(evaluate(nn.Identity(), x, y, MSE, metric("rmse")).loss_se)
    scalar = Criterion("mean", lambda output, y: (output - y).square().mean())
    assert math.isnan(evaluate(nn.Identity(), x.expand(4, 1), y.expand(4, 1), scalar, metric("rmse")).loss_se)


def test_predictions_are_made_in_evaluation_mode_and_in_chunks() -> None:
    sizes: list[int] = []
    model = nn.Sequential(nn.Dropout(0.5), nn.Identity()).train()
    model[1].register_forward_hook(lambda m, args, output: sizes.append(len(output)))
    x = torch.arange(float(MAX_ROWS + 5))[:, None]
    assert torch.equal(predict_outputs(model, x), x)
    assert sizes == [MAX_ROWS, 5]
    assert chunk_size(torch.zeros(1, 2**23, device="meta")) == 1


def test_masks_are_the_classes_with_the_largest_logits() -> None:
    logits = torch.tensor([[[[1.0, 0.0]], [[0.5, 2.0]]]])  # (row, class, height, width)
    assert mask_of(logits).tolist() == [[[0, 1]]]
    assert mask_of(logits).dtype == torch.uint8
    assert torch.equal(predict_masks(nn.Identity(), logits), mask_of(logits))
    assert mask_of(torch.tensor([[[[-1.0, 1.0]]]])).tolist() == [[[0, 1]]]  # one logit, of the second class


def test_all_rows_of_a_small_part_are_evaluated_and_a_fixed_sample_of_a_large_one() -> None:
    def part(n: int) -> TrainPart:
        return TrainPart(torch.arange(float(n))[:, None], torch.arange(n), np.arange(n))

    small = part(MAX_ROWS)
    assert training_sample(small, 0)[0] is small.x
    n = int(3 * MAX_ROWS / SHARE)
    x, y = training_sample(part(n), 5)
    expected = torch.randperm(n, generator=generator(5, 0, "sample"))[: 3 * MAX_ROWS].sort().values
    assert torch.equal(x[:, 0].long(), expected)
    assert torch.equal(y, expected)


def test_the_best_constant_prediction_of_classes_is_their_frequencies(three_class_split: Split) -> None:
    criterion = Criterion("cross_entropy", LOSSES["cross_entropy"])
    counts = three_class_split.train.y.bincount() + 0.5
    expected = -(counts / counts.sum()).log()[three_class_split.stop.y].mean()
    assert constant_prediction_loss(criterion, three_class_split) == pytest.approx(float(expected), rel=1e-6)
    unknown = replace(criterion, name="custom")
    assert math.isnan(constant_prediction_loss(unknown, three_class_split))


@pytest.mark.parametrize(("name", "loss"), [("mse", (6.25 + 2.25) / 2), ("mae", (0.0 + 4.0) / 2)])
def test_the_best_constant_prediction_of_numbers_is_their_mean_or_median(name: str, loss: float) -> None:
    x = torch.zeros(3, 1)
    train, stop = torch.tensor([[0.0], [0.0], [7.5]]), torch.tensor([[0.0], [4.0]])
    split = from_tensors(train=(x, train), stop=(x[:2], stop))
    assert constant_prediction_loss(Criterion(name, LOSSES[name]), split) == pytest.approx(loss)


def test_monte_carlo_samples_need_no_more_than_the_dropout_of_attention() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 2, dropout=0.5, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            return self.attention(x, x, x)[0].mean(1)  # type: ignore[no-any-return]

    samples = predict_mc(Attention(), Recipe(), torch.randn(3, 5, 4), n_samples=4, seed=0)
    assert samples.shape == (4, 3, 4)
    assert samples.std(0).min() > 0
