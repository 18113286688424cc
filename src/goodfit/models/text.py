"""Networks that read texts: the mean of the words, and convolutions over them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.errors import InputError

WIDTHS = (3, 4, 5)
"""Words that the convolutions see at once."""
PADDING = 0
"""The number of what fills texts up to their common length."""
SPREAD = 0.1
"""Standard deviation of the words' vectors at the start."""


class Vectors(nn.Embedding):
    """The vectors of words, small at the start.

    Words that training never shows keep the vector that they began with: torch's, of standard deviation 1, would be as
    loud as those of words that were learned, and new texts are full of such words.
    """

    def reset_parameters(self) -> None:
        """Draw them anew."""
        nn.init.normal_(self.weight, std=SPREAD)


class Mean(nn.Module):
    """The mean of the vectors of a text's words."""

    def __init__(self, words: int, size: int) -> None:
        super().__init__()
        self.embedding = Vectors(words, size)

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, words) whole numbers → (batch, size)."""
        vectors = self.embedding(x)
        there = (x != PADDING).unsqueeze(-1).to(vectors.dtype)
        mean: Tensor = (vectors * there).sum(1) / there.sum(1).clamp(min=1.0)
        return mean


class Phrases(nn.Module):
    """The strongest answers of convolutions of several widths over the vectors of a text's words."""

    def __init__(self, words: int, size: int, channels: int) -> None:
        super().__init__()
        self.embedding = Vectors(words, size)
        self.convolutions = nn.ModuleList(nn.Conv1d(size, channels, width) for width in WIDTHS)

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, words) whole numbers → (batch, channels · widths)."""
        vectors = self.embedding(x).mT  # (batch, size, words)
        there = (x != PADDING).unsqueeze(1).to(vectors.dtype)
        vectors = vectors * there
        # Each place where there is a word begins a phrase, so that a single word is seen too.
        answers = [conv(F.pad(vectors, (0, width - 1))) for conv, width in zip(self.convolutions, WIDTHS, strict=True)]
        return torch.cat([(answer.relu() * there).amax(2) for answer in answers], 1)


def bag(words: int, outputs: int, sizes: Sequence[int] = (64, 64)) -> nn.Sequential:
    """The mean of the words' vectors, and linear layers with ReLU between them; the order of words does not count.

    `words`: how many there are; `sizes`: the length of the vectors, and the layers behind.

    Shape: inputs (batch, words of a text), whole numbers, 0 behind its end; outputs (batch, outputs), raw (no softmax).

    >>> [type(layer).__name__ for layer in bag(100, 2)]
    ['Mean', 'Linear', 'ReLU', 'Linear']

    Reference: M. Iyyer, V. Manjunatha, J. Boyd-Graber and H. Daumé III, Deep unordered composition rivals syntactic
    methods for text classification, ACL 2015, https://aclanthology.org/P15-1162

    Raises:
        InputError: a size below 1.
    """
    _check("bag", words, outputs, sizes)
    layers: list[nn.Module] = [Mean(words, sizes[0])]
    for before, after in pairwise([*sizes, outputs]):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def text_cnn(words: int, outputs: int, sizes: Sequence[int] = (64, 64)) -> nn.Sequential:
    """Convolutions over 3, 4 and 5 words, of each the largest value over the text, and a linear layer.

    `words`: how many there are; `sizes`: the length of the words' vectors, and the channels of each width.

    Shape: inputs (batch, words of a text), whole numbers, 0 behind its end; outputs (batch, outputs), raw (no softmax).

    >>> text_cnn(100, 2)(torch.tensor([[5, 7, 0]])).shape
    torch.Size([1, 2])

    Reference: Y. Kim, Convolutional neural networks for sentence classification, EMNLP 2014,
    https://arxiv.org/abs/1408.5882

    Raises:
        InputError: a size below 1, or other than two sizes.
    """
    _check("text_cnn", words, outputs, sizes)
    if len(sizes) != 2:
        raise InputError(f"text_cnn: sizes are those of the words' vectors and of the channels, got {tuple(sizes)}.")
    return nn.Sequential(Phrases(words, sizes[0], sizes[1]), nn.Linear(len(WIDTHS) * sizes[1], outputs))


def _check(who: str, words: int, outputs: int, sizes: Sequence[int]) -> None:
    if min(words, outputs, *sizes) < 1:
        raise InputError(f"{who}: every size must be at least 1, got words {words}, sizes {sizes}, outputs {outputs}.")
