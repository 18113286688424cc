"""Generated data: sizes, kinds, precision, copies."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from goodfit.data import Split
from goodfit.testing import data

MAKERS = [data.make_classification, data.make_regression, data.make_images, data.make_videos, data.make_sounds,
          data.make_series, data.make_texts]  # fmt: skip


@pytest.mark.parametrize("make", MAKERS)
def test_sizes_are_fixed_and_the_same_split_is_returned(make: Any) -> None:
    split: Split = make()
    assert {name: len(part) for name, part in split.parts.items()} == {
        "train": 96, "stop": 16, "validation": 24, "test": 24
    }  # fmt: skip
    assert make() is split


def test_kinds_and_shapes() -> None:
    shapes = {make().spec.inputs.kind: tuple(make().train.x.shape[1:]) for make in MAKERS[1:]}
    texts = shapes.pop("text")
    assert shapes == {
        "table": (6,), "image": (3, 8, 8), "video": (1, 6, 8, 8), "sound": (1, 256), "series": (2, 24)
    }  # fmt: skip
    assert len(texts) == 1
    assert texts[0] <= 10


def test_double_precision_keeps_labels() -> None:
    split = data.to_double(data.make_classification())
    assert {part.x.dtype for part in split.parts.values()} == {torch.float64}
    assert split.train.y.dtype == torch.int64
    assert data.to_double(data.make_regression()).train.y.dtype == torch.float64


def test_copies_have_their_own_tensors() -> None:
    split = data.make_classification()
    copy = data.copy_split(split)
    assert torch.equal(copy.train.x, split.train.x)
    copy.train.x.zero_()
    assert bool(split.train.x.any())
