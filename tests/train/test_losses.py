"""Data losses per row and per pixel, and the choice of the loss that fits targets and network."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.data import Split
from goodfit.errors import InputError
from goodfit.train.config import Training
from goodfit.train.evaluate import constant_prediction_loss
from goodfit.train.fit import fit
from goodfit.train.losses import LOSSES, Criterion, by_row, choose_criterion, probe_output


def test_losses_of_masks_are_those_of_their_pixels() -> None:
    torch.manual_seed(0)
    output, y = torch.randn(4, 3, 5, 6, dtype=torch.float64), torch.randint(0, 3, (4, 5, 6))
    log_p = output - output.logsumexp(1, keepdim=True)
    expected = torch.stack([-log_p[i, y[i, a, b], a, b] for i in range(4) for a in range(5) for b in range(6)])
    for target in (y, y.byte(), F.one_hot(y).movedim(-1, 1).double()):
        assert torch.allclose(LOSSES["cross_entropy"](output, target).flatten(), expected, atol=1e-12)
    logit = output[:, :1]
    p = torch.sigmoid(logit[:, 0])
    expected = -torch.where(y > 0, p, 1 - p).log()
    assert torch.allclose(LOSSES["binary_cross_entropy"](logit, (y > 0).byte()), expected, atol=1e-12)


def test_cross_entropy_of_class_indices_and_of_probabilities() -> None:
    output = torch.tensor([[1.0, 2.0, 0.5], [0.0, 0.0, 0.0]])
    losses = LOSSES["cross_entropy"](output, torch.tensor([1, 2]))
    torch.testing.assert_close(losses, torch.stack([output[0].logsumexp(0) - 2, torch.tensor(3.0).log()]))
    soft = LOSSES["cross_entropy"](output, torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]))
    torch.testing.assert_close(soft, torch.stack([output[0].logsumexp(0) - 1.5, torch.tensor(3.0).log()]))


@pytest.mark.parametrize(("name", "losses"), [("mse", [0.25, 9.0]), ("mae", [0.5, 3.0]), ("huber", [0.125, 2.5])])
def test_regression_losses_are_means_over_the_outputs_of_a_row(name: str, losses: list[float]) -> None:
    output, y = torch.tensor([[1.0, 1.0], [0.0, 0.0]]), torch.tensor([[0.5, 1.5], [3.0, -3.0]])
    assert LOSSES[name](output, y).tolist() == losses


def test_losses_per_row_from_losses_per_pixel() -> None:
    assert by_row(torch.tensor([[[1.0, 3.0]], [[5.0, 5.0]]])).tolist() == [2.0, 5.0]
    assert by_row(torch.tensor([1.0, 2.0])).tolist() == [1.0, 2.0]
    assert by_row(torch.tensor(4.0)).ndim == 0


def test_auto_chooses_by_task_and_output(
    three_class_split: Split, two_class_split: Split, regression_split: Split
) -> None:
    def name(split: Split, outputs: int) -> str:
        return choose_criterion("auto", None, split.spec, torch.zeros(2, outputs)).name

    assert name(three_class_split, 3) == name(two_class_split, 2) == "cross_entropy"
    assert name(two_class_split, 1) == "binary_cross_entropy"
    assert name(regression_split, 1) == "mse"
    with pytest.raises(InputError, match=r"must be 3 logit\(s\) per row for the target 'y', got .* shape \(batch, 2\)"):
        name(three_class_split, 2)


def test_a_custom_loss_gets_its_own_name(three_class_split: Split) -> None:
    criterion = choose_criterion("auto", nn.L1Loss(), three_class_split.spec, torch.zeros(2, 7))
    assert criterion.name == "L1Loss"
    assert not criterion.by_row
    assert Criterion("mse", LOSSES["mse"]).by_row
    assert float(Criterion("mse", LOSSES["mse"]).mean(torch.tensor([[1.0], [3.0]]), torch.zeros(2, 1))) == 5.0


def test_the_probe_restores_the_mode_of_the_network() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.5)).train()
    x = torch.ones(4, 2)
    assert torch.equal(probe_output(model, x), model[0](x))
    assert model.training
    with pytest.raises(InputError, match=r"model: it cannot take a batch of shape \(4, 3\): "):
        probe_output(model, torch.ones(4, 3))
    assert model.training


def test_a_custom_loss_is_not_mistaken_for_one_of_the_same_name(three_class_split: Split) -> None:
    def mse(output: Tensor, y: Tensor) -> Tensor:
        return (output.softmax(1) - F.one_hot(y, 3)).square().sum(1)

    criterion = choose_criterion("auto", mse, three_class_split.spec, torch.zeros(2, 3))
    assert criterion.name == "custom mse"
    assert math.isnan(constant_prediction_loss(criterion, three_class_split))
    run = fit("mlp:4", three_class_split, "", Training(epochs=1), loss=mse)
    assert run.history["stop_loss"][0] < 1


def test_the_probe_restores_the_mode_of_every_layer() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3).eval(), nn.Linear(3, 2))
    probe_output(model, torch.zeros(2, 2))
    assert [module.training for module in model] == [True, False, True]


def test_an_output_without_rows_is_refused() -> None:
    class Sum(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.sum()

    with pytest.raises(InputError, match=r"the output for 2 rows must .*, got a tensor of shape \(\)"):
        probe_output(Sum(), torch.zeros(2, 2))
