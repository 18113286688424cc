from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.errors import InputError
from goodfit.techniques import WordDropout

TEXT = Inputs("text")


def test_equals_a_loop_over_words(texts: Tensor, by_loops: Callable[..., None]) -> None:
    def one(text: list[int], drawn: list[float]) -> list[int]:
        return [1 if u < 0.3 else word for word, u in zip(text, drawn, strict=False)]

    by_loops(WordDropout(0.3), texts, one)


def test_rate_and_padding(augment: Callable[..., Tensor]) -> None:
    x = torch.full((500, 40), 7)
    x[:, 30:] = 0
    result = augment(WordDropout(0.25), x, inputs=TEXT)
    assert abs(float((result[:, :30] == 1).float().mean()) - 0.25) < 0.02
    assert (result[:, 30:] == 0).all()


def test_other_data_kinds_are_refused(augment: Callable[..., Tensor]) -> None:
    with pytest.raises(InputError, match="WordDropout: it acts on text data; these inputs are table data"):
        augment(WordDropout(0.25), torch.zeros(2, 3), inputs=Inputs())
