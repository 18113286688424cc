from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from goodfit.data import Inputs, Split
from goodfit.ops.broadcast import per_sample
from goodfit.techniques import CutOut
from goodfit.train.config import Training
from goodfit.train.fit import fit


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def hidden(cut: CutOut, shape: tuple[int, ...], rows: int = 2000) -> Tensor:
    """Mask of the hidden values (rows, …), from applying the technique to ones."""
    return apply(cut, torch.ones(rows, *shape)) == 0


def apply(cut: CutOut, x: Tensor) -> Tensor:
    """Applies the technique to a batch."""
    rows, *draw = cut.draw(x, x, generator())
    return torch.where(per_sample(rows, x), cut.transform(x, tuple(draw), Inputs()), x)


def published_masks(size: int, length: int) -> set[tuple[tuple[bool, ...], ...]]:
    """All masks of DeVries and Taylor's code, for every centre (y, x)."""
    masks = set()
    for y in range(size):
        for x in range(size):
            mask = torch.zeros(size, size, dtype=torch.bool)
            top, left = max(0, y - length // 2), max(0, x - length // 2)
            mask[top : min(size, y + length // 2), left : min(size, x + length // 2)] = True
            masks.add(tuple(map(tuple, mask.tolist())))
    return masks


def test_squares_equal_those_of_the_papers_code() -> None:
    mask = hidden(CutOut(size=0.5, p=1.0), (3, 8, 8))
    assert torch.equal(mask[:, 0], mask[:, 1])  # all channels have the same mask
    assert torch.equal(mask[:, 0], mask[:, 2])
    drawn = {tuple(map(tuple, square.tolist())) for square in mask[:, 0]}
    assert drawn == published_masks(8, 4)


def test_square_in_a_wide_image_and_stretch_of_a_sequence() -> None:
    wide = hidden(CutOut(size=0.5, p=1.0), (1, 10, 40))[:, 0]
    assert int(wide.any(2).sum(1).max()) == int(wide.any(1).sum(1).max()) == 5
    stretch = hidden(CutOut(size=0.25, p=1.0), (2, 16))
    assert torch.equal(stretch[:, 0], stretch[:, 1])
    assert set(stretch[:, 0].sum(1).tolist()) == {2, 3, 4}  # 4, of which up to 2 are outside
    assert bool((stretch[:, 0].int().diff(dim=1).abs().sum(1) <= 2).all())  # contiguous


def test_columns_of_a_vector() -> None:
    mask = hidden(CutOut(size=0.3, p=1.0), (10,))
    assert float((mask.double().mean(0) - 0.3).abs().max()) < 4 * (0.21 / 2000) ** 0.5
    assert len({tuple(row) for row in mask.tolist()}) > 300


def test_p_is_the_fraction_of_changed_samples() -> None:
    fraction = float(hidden(CutOut(size=0.5, p=0.3), (10,)).any(1).double().mean())
    assert fraction == pytest.approx(0.3, abs=4 * (0.21 / 2000) ** 0.5)


def test_values_outside_the_region_are_unchanged() -> None:
    x = torch.randn(20, 3, 6, 6, generator=generator())
    cut = CutOut(size=0.5, p=1.0)
    changed = apply(cut, x)
    assert torch.equal(changed, x * ~cut.draw(x, x, generator())[1])
    assert not torch.equal(changed, x)


@pytest.mark.parametrize("neutral", [CutOut(size=0.0), CutOut(size=0.5, p=0.0), CutOut(0.0, p=0.0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_neutral_is_the_identity(neutral: CutOut, dtype: torch.dtype) -> None:
    for shape in ((3, 8, 8), (10,)):
        x = torch.randn(50, *shape, generator=generator(), dtype=dtype)
        changed = apply(neutral, x)
        assert torch.equal(changed, x)
        assert changed.dtype == dtype


def test_in_training(three_class_split: Split, make_net: Callable[..., nn.Sequential]) -> None:
    settings = Training(epochs=2, batch_size=16)
    plain, run = (
        fit(make_net(), three_class_split, "", settings),
        fit(make_net(), three_class_split, CutOut(size=0.5, p=1.0), settings),
    )
    assert not torch.equal(plain.last["0.weight"], run.last["0.weight"])


def test_categories_are_hidden_as_a_whole(
    mixed_inputs: Inputs,
    make_rows: Callable[..., Tensor],
    categories_valid: Callable[..., bool],
    augment: Callable[..., Tensor],
) -> None:
    x = make_rows(3000)
    augmented = augment(CutOut(size=0.4, p=1.0), x, inputs=mixed_inputs)
    assert categories_valid(augmented, none=True)
    ones = [augmented[:, block].sum(1) for block in ([3, 4, 5], [7, 8, 9, 10])]
    hidden = [*(augmented[:, [0, 1, 6]] == 0).T, *(block == 0 for block in ones)]
    for unit in hidden:  # numbers and categories
        assert float(unit.double().mean()) == pytest.approx(0.4, abs=4 * (0.24 / 3000) ** 0.5)
    kept = ~hidden[3]
    assert torch.equal(augmented[kept][:, 3:6], x[kept][:, 3:6])
    assert torch.equal(augment(CutOut(size=0.0, p=1.0), x, inputs=mixed_inputs), x)
