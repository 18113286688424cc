from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import RandomDeletion

TEXT = Inputs("text")


def test_equals_a_loop_over_words(texts: Tensor, by_loops: Callable[..., None]) -> None:
    def one(text: list[int], drawn: list[float]) -> list[int]:
        left = [word for word, u in zip(text, drawn, strict=False) if u >= 0.4]
        return left or [text[max(range(len(text)), key=lambda i: drawn[i])]]

    by_loops(RandomDeletion(0.4), texts, one)


def test_share(augment: Callable[..., Tensor]) -> None:
    x = torch.arange(2, 52).repeat(400, 1)
    left = (augment(RandomDeletion(0.2), x, inputs=TEXT) != 0).float().mean()
    assert abs(float(left) - 0.8) < 0.01


def test_one_word_always_stays(augment: Callable[..., Tensor], texts: Tensor) -> None:
    result = augment(RandomDeletion(1.0), texts, inputs=TEXT)
    assert ((result != 0).sum(1) == 1).all()
    assert (result[:, 0] != 0).all()


def test_neutral_keeps_padding_inside_texts(augment: Callable[..., Tensor]) -> None:
    x = torch.tensor([[0, 5, 0, 6], [0, 0, 0, 0]])
    assert torch.equal(augment(RandomDeletion(0.0), x, inputs=TEXT), x)
    assert torch.equal(augment(RandomDeletion(1.0), x[1:], inputs=TEXT), x[1:])
