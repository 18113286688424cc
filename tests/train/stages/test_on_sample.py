"""The OnSample stage: the rows of an epoch, their batches, repeated rows, and synthetic rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.data import Inputs, Split, TrainPart
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.rng import generator
from goodfit.stages import OnSample, Synthesis
from goodfit.technique import knob
from goodfit.techniques import ClassBalance
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.stages.on_sample import (
    EpochSampler,
    add_synthetic_rows,
    augments_repeats_only,
    batch_sizes,
    epoch_batches,
    epoch_rows,
    is_repeat,
)

Net = Callable[..., nn.Sequential]
SETTINGS = {"epochs": 3, "batch_size": 32, "learning_rate": 0.02}


class Repeated(OnSample):
    """Draws every row of a class several times."""

    label: int = knob(0, low=0)
    times: int = knob(3, low=1, neutral=1)

    def rows(self, y: Tensor, rows: Tensor, generator: torch.Generator) -> Tensor:
        return rows.repeat_interleave(torch.where(y[rows] == self.label, self.times, 1))


def test_training_uses_the_chosen_rows_in_random_order(three_class_split: Split, make_net: Net) -> None:
    batches: list[Tensor] = []

    def recording_loss(output: Tensor, y: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            batches.append(y)
        return F.cross_entropy(output, y, reduction="none")

    fit(
        make_net(),
        three_class_split,
        Repeated(label=1, times=3),
        Training(**SETTINGS | {"epochs": 1}),
        loss=recording_loss,
    )
    counts, drawn = torch.bincount(three_class_split.train.y), torch.bincount(torch.cat(batches))
    assert drawn.tolist() == (counts * torch.tensor([1, 3, 1])).tolist()
    assert len({tuple(batch.tolist()) for batch in batches}) > 1


# ---- parts of the stage --------------------------------------------------------------------------------


def test_techniques_choose_rows_and_the_order_is_random() -> None:
    y = torch.tensor([0, 0, 1])
    rows = epoch_rows([Repeated(label=1, times=3)], y, generator(0, 1, "order"))
    assert sorted(rows.tolist()) == [0, 1, 2, 2, 2]
    plain = epoch_rows([], y, generator(0, 1, "order"))
    assert torch.equal(plain, torch.randperm(3, generator=generator(0, 1, "order")))


def test_batches_of_an_epoch_depend_on_seed_and_epoch() -> None:
    train = TrainPart(torch.zeros(9, 1), torch.zeros(9, dtype=torch.long), np.arange(9))
    first, same, other = (epoch_batches([], train, 0, epoch, 4) for epoch in (1, 1, 2))
    assert [len(rows) for rows in first] == [4, 5]  # the single remaining row joins the last batch
    assert torch.equal(torch.cat([*first]), torch.cat([*same]))
    assert not torch.equal(torch.cat([*first]), torch.cat([*other]))


@pytest.mark.parametrize(
    ("rows", "size", "sizes"),
    [(8, 4, [4, 4]), (9, 4, [4, 5]), (10, 4, [4, 4, 2]), (3, 8, [3]), (3, 1, [1, 1, 1]), (0, 4, [])],
)
def test_batch_sizes(rows: int, size: int, sizes: list[int]) -> None:
    assert batch_sizes(rows, size) == sizes


def test_repeats_are_rows_that_occurred_before() -> None:
    assert is_repeat(torch.tensor([2, 0, 2, 1, 0, 2])).tolist() == [False, False, True, False, True, True]
    assert is_repeat(torch.tensor([], dtype=torch.long)).tolist() == []
    assert augments_repeats_only([ClassBalance(augment="repeats")])
    assert not augments_repeats_only([ClassBalance()])


class Copies(Synthesis):
    """Adds copies of the first rows, with inputs multiplied by 10."""

    count: int = knob(2, low=0)

    def check(self, x: Tensor, y: Tensor, inputs: Inputs) -> None:
        pass

    def synthesize(self, x: Tensor, y: Tensor, inputs: Inputs, seed: int) -> tuple[Tensor, Tensor]:
        return x[: self.count] * 10, y[: self.count]


def test_synthetic_rows_follow_the_training_rows_with_row_number_minus_one() -> None:
    train = TrainPart(torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([0, 1, 0]), np.array([5, 6, 7]))
    extended = add_synthetic_rows(train, Recipe((Copies(2),)), Inputs(), 0)
    assert extended.x.flatten().tolist() == [1, 2, 3, 10, 20]
    assert extended.y.tolist() == [0, 1, 0, 0, 1]
    assert extended.rows.tolist() == [5, 6, 7, -1, -1]
    assert add_synthetic_rows(train, Recipe((Copies(0),)), Inputs(), 0) is train


def test_a_sampler_draws_the_rows_of_fit_and_requires_the_targets() -> None:
    y = torch.arange(6)
    sampler = EpochSampler(Recipe(), y, seed=3)
    assert len(sampler) == 6
    assert torch.equal(sampler.rows(), epoch_rows([], y, generator(3, 1, "order")))
    assert list(sampler) == epoch_rows([], y, generator(3, 2, "order")).tolist()
    with pytest.raises(InputError, match="the training rows must be known to draw them"):
        EpochSampler(Recipe(), None, seed=3).rows()
