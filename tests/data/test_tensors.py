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
    with pytest.raises(InputError, match="from_tensors: stop must be float rows of shape"):
        from_tensors(train=(x, y), stop=(x[:, :2], y))
    with pytest.raises(InputError, match="from_tensors: train must be"):
        from_tensors(train=(x.long(), y), stop=(x, y))


X, Y = torch.randn(10, 3), torch.arange(10) % 2


@pytest.mark.parametrize(
    ("train", "stop", "message"),
    [
        (Y, Y + 1, "classes of stop must be in train, whose largest class is 1, got 2; add"),
        (Y, Y - 1, "class numbers must be 0 or larger, got -1 in stop"),
        (Y, Y.float(), "targets of stop must have the type and the row shape of those of train, torch.int64"),
        (Y.float(), Y, "targets of stop must have the type"),
        (Y.float(), torch.randn(10, 2), r"row shape of those of train, torch.float32 \(1,\), got torch.float32 \(2,\)"),
        (torch.stack([Y, Y], 1), torch.stack([Y, Y], 1), "whole-number targets must .* for one-hot rows give y.arg"),
    ],
)
def test_targets_that_do_not_match_are_refused(train: torch.Tensor, stop: torch.Tensor, message: str) -> None:
    with pytest.raises(InputError, match=f"from_tensors: .*{message}"):
        from_tensors((X, train), (X, stop))


@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8, torch.bool])
def test_class_numbers_become_int64(dtype: torch.dtype) -> None:
    split = from_tensors((X, Y.to(dtype)), (X, Y))
    assert torch.equal(split.train.y, Y)
    assert split.train.y.dtype == torch.int64


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_float32(dtype: torch.dtype) -> None:
    split = from_tensors((X.to(dtype), X[:, 0].to(dtype)), (X, X[:, 0]))
    assert split.train.x.dtype == split.train.y.dtype == torch.float32
    assert torch.equal(split.train.x, X.to(dtype).float())


def test_classes_without_training_rows_are_noted() -> None:
    assert from_tensors((X, 2 * Y), (X, Y), (X, Y), (X, Y)).note == "there is no training row of class '1'"
