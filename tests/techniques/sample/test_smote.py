from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from goodfit.data import Inputs, Split, from_tensors, load
from goodfit.errors import InputError, MissingExtra
from goodfit.recipe import Recipe
from goodfit.report import write_report
from goodfit.techniques import ClassBalance, Smote
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.fit_many import fit_many
from goodfit.train.manual_loop.attach import attach
from goodfit.train.stages.on_sample import add_synthetic_rows


def labels(*counts: int) -> Tensor:
    """Class numbers with these counts per class, in random order."""
    y = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return y[torch.randperm(len(y), generator=torch.Generator().manual_seed(0))]


@pytest.fixture
def imbalanced() -> Split:
    """Two classes of 80 and 20 % of 200 rows: a number, a category, and a number with missing values."""
    rng = np.random.default_rng(0)
    y = np.where(np.arange(200) % 5 == 0, "rare", "common")
    frame = pd.DataFrame({
        "age": rng.normal(size=200) + 2 * (y == "rare"),
        "city": rng.choice(["Rome", "Oslo", "Lima"], 200),
        "pay": np.where(rng.random(200) < 0.2, np.nan, rng.normal(size=200)),
        "y": y,
    })  # fmt: skip
    return load(frame, "y").split()


@pytest.mark.parametrize("strength", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("counts", [(27, 3), (16, 4, 1), (9, 9), (40, 0, 7)])
def test_same_number_of_rows_as_class_balance(
    strength: float, counts: tuple[int, ...], make_rows: Callable[..., Tensor]
) -> None:
    y = labels(*counts)
    synthetic, new = Smote(strength).synthesize(make_rows(len(y)), y, Inputs(), 0)
    rows_drawn = ClassBalance(strength).rows(y, torch.arange(len(y)), torch.Generator())
    assert torch.equal(torch.cat([y, new]).bincount(), y[rows_drawn].bincount())
    assert synthetic.shape == (len(new), 11)


def test_each_synthetic_row_lies_between_a_row_and_a_nearest_neighbour(make_rows: Callable[..., Tensor]) -> None:
    """It is on the segment between two rows of the class, one of which is among the k nearest of the other."""
    y, x = labels(60, 12), make_rows(72)[:, :2]
    members = x[y == 1].numpy()
    near = np.linalg.norm(members[:, None] - members, axis=2).argsort(1)[:, 1:4]  # k = 3, without the row itself
    pairs = [(members[i], members[j]) for i in range(12) for j in near[i]]
    synthetic, new = Smote(k=3).synthesize(x, y, Inputs(), 0)
    assert new.tolist() == [1] * 48
    for row in synthetic.numpy():
        on = [
            np.abs(row - (a + np.clip((row - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1) * (b - a))).max()
            for a, b in pairs
        ]
        assert min(on) < 1e-12
    assert len(np.unique(synthetic.numpy(), axis=0)) == 48


def test_categories_stay_valid_and_are_those_of_the_class(
    mixed_inputs: Inputs, make_rows: Callable[..., Tensor], categories_valid: Callable[..., bool]
) -> None:
    x, y = make_rows(90), labels(70, 20)
    x[y == 1, 3:6] = torch.tensor([0.0, 1.0, 0.0], dtype=x.dtype)
    x[y == 1, 7:11] = 0.0  # none of the known categories
    synthetic, _ = Smote().synthesize(x, y, mixed_inputs, 0)
    assert categories_valid(synthetic, none=True)
    assert synthetic[:, 3:6].tolist() == [[0.0, 1.0, 0.0]] * 50
    assert not bool(synthetic[:, 7:11].any())
    numbers, members = synthetic[:, [0, 1, 6]], x[y == 1][:, [0, 1, 6]]
    assert bool(((numbers >= members.min(0)[0]) & (numbers <= members.max(0)[0])).all())
    assert not {tuple(row) for row in numbers.tolist()} & {tuple(row) for row in members.tolist()}


def test_only_categorical_columns(make_rows: Callable[..., Tensor], categories_valid: Callable[..., bool]) -> None:
    blocks = make_rows(90)[:, [3, 4, 5, 7, 8, 9, 10]]
    synthetic, _ = Smote().synthesize(blocks, labels(70, 20), Inputs(groups=((0, 3), (3, 7))), 0)
    assert synthetic.shape == (50, 7)
    assert bool(((synthetic == 0) | (synthetic == 1)).all())
    assert synthetic[:, :3].sum(1).tolist() == synthetic[:, 3:].sum(1).tolist() == [1.0] * 50


def test_single_row_is_repeated_and_two_rows_are_interpolated(
    mixed_inputs: Inputs, make_rows: Callable[..., Tensor]
) -> None:
    x, y = make_rows(13), labels(10, 1, 2)
    synthetic, new = Smote(k=5).synthesize(x, y, mixed_inputs, 0)
    assert torch.equal(synthetic[new == 1], x[y == 1].expand(9, 11))
    a, b = x[y == 2][:, [0, 1, 6]]
    fraction = (synthetic[new == 2][:, [0, 1, 6]] - a) / (b - a)
    torch.testing.assert_close(fraction, fraction[:, :1].expand(8, 3), rtol=0, atol=1e-10)
    assert 0 <= float(fraction.min()) <= float(fraction.max()) <= 1


def test_same_seed_gives_the_same_rows(mixed_inputs: Inputs, make_rows: Callable[..., Tensor]) -> None:
    x, y = make_rows(90), labels(70, 20)
    state = np.random.get_state()[1]
    first, same_seed, other = (Smote().synthesize(x, y, mixed_inputs, seed)[0] for seed in (3, 3, 4))
    assert torch.equal(first, same_seed)
    assert not torch.equal(first, other)
    assert np.array_equal(np.random.get_state()[1], state)
    assert Smote().synthesize(x.float(), y, mixed_inputs, 3)[0].dtype == torch.float32


def test_rows_are_added_to_the_training_part_from_the_training_part_only(imbalanced: Split) -> None:
    train, inputs = imbalanced.train, imbalanced.spec.inputs
    more = add_synthetic_rows(train, Recipe.of("smote"), inputs, 0)
    assert torch.equal(more.x[: len(train)], train.x)
    assert more.rows[len(train) :].tolist() == [-1] * (len(more) - len(train))
    assert more.y.bincount().tolist() == [int(train.y.bincount().max())] * 2
    assert add_synthetic_rows(train, Recipe.of("smote=0.0"), inputs, 0) is train
    assert len({*map(tuple, more.x[:, -3:].tolist())} - {(1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0)}) == 0


def test_in_training(imbalanced: Split) -> None:
    settings = Training(epochs=2, batch_size=16)
    plain, run = fit("mlp:4", imbalanced, "", settings), fit("mlp:4", imbalanced, "smote", settings)
    assert not torch.equal(plain.last["0.weight"], run.last["0.weight"])
    assert run.metadata["warnings"] == []
    recipes = ["", "smote", "smote=0.5, class_balance"]
    many = fit_many("mlp:4", imbalanced, recipes, settings, seeds=(0, 1), population=True)
    assert all(torch.equal(many[2].last[name], weight) for name, weight in run.last.items())


def test_class_with_a_single_row_gives_a_warning() -> None:
    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    y = (torch.arange(40) == 7).long()
    split = from_tensors((x, y), (x, (torch.arange(40) > 20).long()))
    run = fit(nn.Linear(3, 2), split, "smote", Training(epochs=1, batch_size=16))
    assert any("the rarest class has 1 row, which is only repeated" in message for message in run.metadata["warnings"])


def test_invalid_uses_are_errors(regression_split: Split, imbalanced: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="Smote: the targets must be one class number per row"):
        fit(nn.Linear(6, 1), regression_split, "smote", Training(epochs=1))
    images = torch.zeros(4, 1, 2, 2)
    with pytest.raises(InputError, match="Smote: it acts on table data; these inputs are image data"):
        Smote().synthesize(images, labels(3, 1), Inputs("image"), 0)
    data = imbalanced.train.x, imbalanced.train.y
    with pytest.raises(InputError, match="Smote: it makes rows before training; add the rows of synthesize"):
        attach(nn.Linear(data[0].shape[1], 2), "smote", data=data)
    monkeypatch.setitem(sys.modules, "imblearn.over_sampling", None)
    with pytest.raises(MissingExtra, match=r"pip install goodfit\[balance\]"):
        Smote().synthesize(*data, imbalanced.spec.inputs, 0)


def test_report_counts_the_synthetic_rows(imbalanced: Split, tmp_path: Path) -> None:
    run = fit("mlp:4", imbalanced, "smote", Training(epochs=1), progress=False)
    before = imbalanced.train.y.bincount().tolist()
    text = write_report(run, tmp_path / "report.html", data=imbalanced).read_text(encoding="utf-8")
    assert before[1] < before[0]
    assert f"common {before[0]} → {before[0]}, rare {before[1]} → {before[0]}" in text
