"""Parts that the user divided."""

import pytest
import torch

from goodfit.data import from_tensors
from goodfit.errors import InputError


def test_parts_are_taken_as_they_are() -> None:
    x, y = torch.randn(10, 3), torch.arange(10) % 2
    split = from_tensors(train=(x, y), stop=(x[:4] + 1, y[:4]))
    assert split.train.x is x
    assert split.spec.classes == ("0", "1")
    assert split.preprocessing is None
    assert "stop rows" in split.note
    assert split.duplicates.counts["stop", "validation"] == 4
    assert split.duplicates.counts["train", "stop"] == 0


def test_numbers_become_a_column() -> None:
    x, y = torch.randn(10, 3), torch.randn(10)
    split = from_tensors(train=(x, y), stop=(x, y))
    assert split.train.y.shape == (10, 1)
    assert split.spec.task == "regression"


def test_shapes_that_do_not_fit_are_refused() -> None:
    x, y = torch.randn(10, 3), torch.arange(10) % 2
    with pytest.raises(InputError, match="Split: stop must be float rows of shape"):
        from_tensors(train=(x, y), stop=(x[:, :2], y))
    with pytest.raises(InputError, match="Split: train must be"):
        from_tensors(train=(x.long(), y), stop=(x, y))
