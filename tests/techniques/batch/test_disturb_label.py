from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from scipy import stats
from torch import nn

from goodfit.data import Split
from goodfit.data.inputs import TABLE
from goodfit.errors import InputError
from goodfit.techniques import DisturbLabel, LabelSmoothing
from goodfit.train.config import Training
from goodfit.train.fit import fit


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_label_probabilities_are_those_of_the_paper(rate: float) -> None:
    """A label stays with probability 1 − rate · (C − 1) / C and becomes each other label with probability rate / C."""
    rows, classes = 10_000, 4
    y = torch.eye(classes)[[2]].repeat(rows, 1)
    disturb = DisturbLabel(rate)
    disturbed = disturb.transform_batch(y, y, disturb.draw(y, y, generator()), TABLE)[1]
    assert torch.equal(disturbed.sort(1).values, torch.eye(classes)[[3]].repeat(rows, 1))  # one-hot rows
    expected = torch.full((classes,), rate / classes)
    expected[2] = 1 - rate * (classes - 1) / classes
    assert stats.chisquare(disturbed.sum(0).numpy(), expected.numpy() * rows).pvalue > 0.001


def test_equals_label_smoothing_on_average() -> None:
    y = torch.eye(3, dtype=torch.float64)
    disturb, g = DisturbLabel(0.3), generator()
    mean = torch.stack([disturb.transform_batch(y, y, disturb.draw(y, y, g), TABLE)[1] for _ in range(4000)]).mean(0)
    torch.testing.assert_close(
        mean, LabelSmoothing(0.3).transform_batch(y, y, (), TABLE)[1], atol=4 * 0.5 / 4000**0.5, rtol=0
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_kept_soft_labels_are_unchanged(dtype: torch.dtype) -> None:
    y = torch.tensor([[0.25, 0.75], [0.5, 0.5]], dtype=dtype)
    draw = torch.tensor([[False], [True]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=dtype)
    same, disturbed = DisturbLabel(0.5).transform_batch(y, y, draw, TABLE)
    assert same is y
    assert disturbed.dtype == dtype
    assert disturbed.tolist() == [[0.25, 0.75], [1.0, 0.0]]


def test_neutral_is_the_identity() -> None:
    y = torch.rand(100, 3, generator=generator())
    off = DisturbLabel(0.0)
    assert torch.equal(off.transform_batch(y, y, off.draw(y, y, generator()), TABLE)[1], y)


def test_in_training(three_class_split: Split, regression_split: Split, make_net: Callable[..., nn.Sequential]) -> None:
    settings = Training(epochs=2, batch_size=16)
    plain, run = (
        fit(make_net(), three_class_split, "", settings),
        fit(make_net(), three_class_split, DisturbLabel(0.5), settings),
    )
    assert not torch.equal(plain.last["0.weight"], run.last["0.weight"])
    with pytest.raises(InputError, match="DisturbLabel: it acts on class labels"):
        fit(make_net(1), regression_split, DisturbLabel())
