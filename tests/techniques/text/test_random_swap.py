from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import RandomSwap

TEXT = Inputs("text")


def test_equals_a_loop_over_pairs(texts: Tensor, by_loops: Callable[..., None]) -> None:
    def one(text: list[int], drawn: list[float]) -> list[int]:
        chosen = sorted((u, place) for place, u in enumerate(drawn[: len(text)]) if u < 0.6)
        words = list(text)
        for (_, a), (_, b) in zip(chosen[::2], chosen[1::2], strict=False):
            words[a], words[b] = text[b], text[a]
        return words

    by_loops(RandomSwap(0.6), texts, one)


def test_the_set_of_words_does_not_change(augment: Callable[..., Tensor], texts: Tensor) -> None:
    result = augment(RandomSwap(0.7), texts, inputs=TEXT)
    assert torch.equal(result.sort(1).values, texts.sort(1).values)
    assert torch.equal(result == 0, texts == 0)


def test_share_of_moved_words_and_odd_lengths(augment: Callable[..., Tensor]) -> None:
    x = torch.arange(2, 53).repeat(500, 1)  # 51 words
    moved = (augment(RandomSwap(0.4), x, inputs=TEXT) != x).float().sum(1)
    assert (moved % 2 == 0).all()
    assert abs(float(moved.mean()) - (0.4 * 51 - 0.5)) < 1.0  # half of the time one word is left over
    single = torch.tensor([[7]])
    assert torch.equal(augment(RandomSwap(1.0), single, inputs=TEXT), single)
