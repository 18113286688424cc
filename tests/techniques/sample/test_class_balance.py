from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from goodfit.data import Split, from_tensors, load
from goodfit.errors import InputError
from goodfit.techniques import ClassBalance
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.fit_many import fit_many
from goodfit.train.manual_loop.attach import attach


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def labels(*counts: int) -> Tensor:
    """Class numbers with these counts per class, in random order."""
    y = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return y[torch.randperm(len(y), generator=generator())]


def draw_rows(strength: float, y: Tensor, rows: Tensor | None = None, seed: int = 0) -> Tensor:
    return ClassBalance(strength).rows(y, torch.arange(len(y)) if rows is None else rows, generator(seed))


@pytest.mark.parametrize(
    ("strength", "counts", "expected"),
    [
        (1.0, (10, 3, 1), (10, 10, 10)),
        (0.5, (16, 4, 1), (16, 8, 4)),
        (0.5, (27, 3), (27, 9)),  # √3 · √27 = 9, despite rounding errors
        (0.5, (10, 3), (10, 6)),  # √30 = 5.48, rounded up
        (0.25, (16, 1), (16, 2)),
        (0.0, (10, 3, 1), (10, 3, 1)),
        (0.3, (7, 7), (7, 7)),
        (1.0, (5, 0, 2), (5, 0, 5)),
    ],
)
def test_counts(strength: float, counts: tuple[int, ...], expected: tuple[int, ...]) -> None:
    y = labels(*counts)
    rows = draw_rows(strength, y)
    assert torch.bincount(y[rows], minlength=len(counts)).tolist() == list(expected)


@pytest.mark.parametrize("strength", [0.3, 0.8, 1.0])
def test_repeats_are_spread_evenly(strength: float) -> None:
    y = labels(100, 37, 8, 1)
    rows = draw_rows(strength, y)
    times = torch.bincount(rows, minlength=len(y))
    for c in range(4):
        assert int(times[y == c].min()) >= 1
        assert int(times[y == c].max() - times[y == c].min()) <= 1
    assert bool((times[y == 0] == 1).all())


def test_additional_rows_are_uniformly_random() -> None:
    y = labels(5, 3)
    members = (y == 1).nonzero().flatten().tolist()
    g = generator()
    repeats: Counter[int] = Counter()
    for _ in range(600):
        rows = ClassBalance(1.0).rows(y, torch.arange(8), g)
        pair = [row for row, times in Counter(rows.tolist()).items() if times == 2]
        assert len(pair) == 2
        repeats.update(pair)
    assert sorted(repeats) == members
    assert all(abs(times - 400) < 4 * (600 * 2 / 9) ** 0.5 for times in repeats.values())


def test_neutral_keeps_rows_and_generator_state() -> None:
    y, rows, g = labels(9, 4), torch.tensor([3, 1, 1, 12, 5]), generator()
    before = g.get_state()
    assert torch.equal(ClassBalance(0.0).rows(y, rows, g), rows)
    assert torch.equal(g.get_state(), before)


def test_balances_the_rows_of_a_previous_technique() -> None:
    """Rows chosen by another technique: some are missing, one occurs twice."""
    y = torch.tensor([0, 0, 0, 0, 1, 1, 2])
    rows = draw_rows(1.0, y, torch.tensor([0, 1, 1, 4]))
    assert rows[:4].tolist() == [0, 1, 1, 4]
    assert Counter(rows.tolist()) == {0: 1, 1: 2, 4: 3}


def test_same_generator_same_rows() -> None:
    y = labels(50, 20, 7)
    assert torch.equal(draw_rows(1.0, y, seed=1), draw_rows(1.0, y, seed=1))
    assert not torch.equal(draw_rows(1.0, y, seed=1), draw_rows(1.0, y, seed=2))


def test_regression_targets_are_an_error(regression_split: Split, make_net: Callable[..., nn.Sequential]) -> None:
    for y in (torch.zeros(4), torch.zeros(4, 1), torch.zeros(4, 2, dtype=torch.long)):
        with pytest.raises(InputError, match="ClassBalance: the targets must be one class number per row"):
            draw_rows(1.0, y)
    with pytest.raises(InputError, match="class_balance: it requires targets that are labels"):
        fit(make_net(1), regression_split, ClassBalance(), Training(epochs=1))


def test_epoch_of_a_run_has_balanced_classes(make_net: Callable[..., nn.Sequential]) -> None:
    g = generator()
    x, y = torch.randn(200, 6, generator=g), torch.arange(200) % 10 // 9  # a tenth of class 1
    split = load((x.numpy(), y.numpy())).split(sizes=(0.6, 0.1, 0.15, 0.15))
    targets: list[Tensor] = []

    def loss(output: Tensor, y: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            targets.append(y)
        return nn.functional.cross_entropy(output, y, reduction="none")

    fit(make_net(2), split, ClassBalance(1.0), Training(epochs=1, batch_size=16), loss=loss)
    counts = torch.bincount(torch.cat(targets)).tolist()
    assert counts[0] == counts[1] == int((split.train.y == 0).sum())


# ---- augmentation of repeats --------------------------------------------------------------------------------

AUGMENT_REPEATS = "class_balance(augment='repeats'), vertical_flip=1.0"


@pytest.fixture
def pets() -> Split:
    """Thirty images of dogs (class 0) and six of cats, none of which is symmetric."""
    x = torch.rand(36, 1, 6, 6, generator=generator(), dtype=torch.float64)
    y = (torch.arange(36) >= 30).long()
    return from_tensors((x, y), (x, y))


def training_batches(split: Split, recipe: str) -> list[Tensor]:
    """The batches of one epoch, as the network receives them."""
    batches: list[Tensor] = []
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 2)).double()
    hook = model.register_forward_pre_hook(
        lambda module, args: batches.append(args[0].clone()) if module.training else None
    )
    fit(model, split, recipe, Training(epochs=1, batch_size=8), progress=False)
    hook.remove()
    return batches


def test_only_repeated_rows_are_augmented(pets: Split) -> None:
    rows = {tuple(image.flatten().tolist()): number for number, image in enumerate(pets.train.x)}
    mirrored = {tuple(image.flip(-2).flatten().tolist()): number for number, image in enumerate(pets.train.x)}
    images = [tuple(image.flatten().tolist()) for x in training_batches(pets, AUGMENT_REPEATS) for image in x]
    raw, changed = Counter(rows[d] for d in images if d in rows), Counter(mirrored[d] for d in images if d in mirrored)
    assert raw == Counter(range(36))  # every image unchanged, once
    assert set(changed) == set(range(30, 36))  # only cats, each of the four additional times
    assert changed.total() == 24


def test_population_augments_the_same_rows(pets: Split) -> None:
    recipes = [f"{AUGMENT_REPEATS}, l2={strength}" for strength in (0.01, 0.1)]
    model, training = nn.Sequential(nn.Flatten(), nn.Linear(36, 2)).double(), Training(epochs=3, batch_size=8)
    together = fit_many(model, pets, recipes, training, population=True, progress=False)
    for run, recipe in zip(together, recipes, strict=True):
        other = fit(model, pets, recipe, training, progress=False)
        for name, weights in other.last.items():
            torch.testing.assert_close(run.last[name], weights, rtol=1e-10, atol=1e-12)  # type: ignore[union-attr]
    plain = fit(model, pets, recipes[0].replace("repeats", "all"), training, progress=False)
    assert not torch.allclose(plain.last["1.weight"], together[0].last["1.weight"])  # type: ignore[union-attr]


def test_manual_loop_must_pass_the_mask_of_repeated_rows(pets: Split) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 2)).double()
    x, y = pets.train.x, pets.train.y
    with attach(model, AUGMENT_REPEATS, torch.optim.SGD(model.parameters(), 0.1), data=(x, y)) as reg:
        rows = reg.rows()
        with pytest.raises(
            InputError,
            match=r"batch\(\) needs the mask of repeated samples.*batch\(x, y, augment_mask=reg.is_repeat\(rows\)",
        ):
            reg.batch(x[rows], y[rows])
        repeated = reg.is_repeat(rows)
        changed, _ = reg.batch(x[rows], y[rows], augment_mask=repeated)
        assert int(repeated.sum()) == 24
        assert torch.equal(changed[~repeated], x[rows][~repeated])
        assert torch.equal(changed[repeated], x[rows][repeated].flip(-2))
