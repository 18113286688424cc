"""Networks for texts: the mean of word embeddings, and convolutions over them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.errors import InputError

WIDTHS = (3, 4, 5)
"""Kernel sizes of the convolutions, in words."""
PADDING = 0
"""The number that pads texts to a common length."""
INITIAL_STDDEV = 0.1
"""Standard deviation of the initial word embeddings."""


class WordEmbedding(nn.Embedding):
    """Word embeddings with small initial values.

    Words that do not occur in training keep their initial embedding. With torch's standard deviation of 1, such an
    embedding would be as large as a trained one, and new texts contain many such words.
    """

    def reset_parameters(self) -> None:
        """Draw new embeddings."""
        nn.init.normal_(self.weight, std=INITIAL_STDDEV)


class MeanEmbedding(nn.Module):
    """The mean embedding of the words of a text."""

    def __init__(self, words: int, size: int) -> None:
        super().__init__()
        self.embedding = WordEmbedding(words, size)

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, words) integer word ids → (batch, size)."""
        vectors = self.embedding(x)
        is_word = (x != PADDING).unsqueeze(-1).to(vectors.dtype)
        mean: Tensor = (vectors * is_word).sum(1) / is_word.sum(1).clamp(min=1.0)
        return mean


class PhraseConvolutions(nn.Module):
    """Convolutions of several widths over the word embeddings of a text, with max-pooling over the text."""

    def __init__(self, words: int, size: int, channels: int) -> None:
        super().__init__()
        self.embedding = WordEmbedding(words, size)
        self.convolutions = nn.ModuleList(nn.Conv1d(size, channels, width) for width in WIDTHS)

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, words) integer word ids → (batch, channels · widths)."""
        vectors = self.embedding(x).mT  # (batch, size, words)
        is_word = (x != PADDING).unsqueeze(1).to(vectors.dtype)
        vectors = vectors * is_word
        # A phrase starts at every word, so that texts of a single word also have one.
        outputs = [conv(F.pad(vectors, (0, width - 1))) for conv, width in zip(self.convolutions, WIDTHS, strict=True)]
        return torch.cat([(output.relu() * is_word).amax(2) for output in outputs], 1)


def bag(words: int, outputs: int, sizes: Sequence[int] = (64, 64)) -> nn.Sequential:
    """Build a bag-of-words network: the mean of word embeddings, then linear layers with ReLU; word order is ignored.

    Args:
        words: the size of the vocabulary.
        outputs: the number of outputs.
        sizes: the size of the embeddings, and those of the hidden layers.

    Shape: inputs (batch, text length), integer word ids padded by 0; outputs (batch, outputs), raw (no softmax).

    >>> [type(layer).__name__ for layer in bag(100, 2)]
    ['MeanEmbedding', 'Linear', 'ReLU', 'Linear']

    Reference: M. Iyyer, V. Manjunatha, J. Boyd-Graber and H. Daumé III, Deep unordered composition rivals syntactic
    methods for text classification, ACL 2015, https://aclanthology.org/P15-1162

    Raises:
        InputError: a size is below 1.
    """
    _check("bag", words, outputs, sizes)
    layers: list[nn.Module] = [MeanEmbedding(words, sizes[0])]
    for before, after in pairwise([*sizes, outputs]):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def text_cnn(words: int, outputs: int, sizes: Sequence[int] = (64, 64)) -> nn.Sequential:
    """Build convolutions over 3, 4 and 5 words, with max-pooling over the text, and a linear layer.

    Args:
        words: the size of the vocabulary.
        outputs: the number of outputs.
        sizes: the size of the embeddings, and the number of channels for each kernel size.

    Shape: inputs (batch, text length), integer word ids padded by 0; outputs (batch, outputs), raw (no softmax).

    >>> text_cnn(100, 2)(torch.tensor([[5, 7, 0]])).shape
    torch.Size([1, 2])

    Reference: Y. Kim, Convolutional neural networks for sentence classification, EMNLP 2014,
    https://arxiv.org/abs/1408.5882

    Raises:
        InputError: a size is below 1, or `sizes` does not have two numbers.
    """
    _check("text_cnn", words, outputs, sizes)
    if len(sizes) != 2:
        raise InputError(
            f"text_cnn: sizes must be two numbers, of the embeddings and of the channels, got {tuple(sizes)}."
        )
    return nn.Sequential(PhraseConvolutions(words, sizes[0], sizes[1]), nn.Linear(len(WIDTHS) * sizes[1], outputs))


def _check(who: str, words: int, outputs: int, sizes: Sequence[int]) -> None:
    if min(words, outputs, *sizes) < 1:
        raise InputError(f"{who}: every size must be at least 1, got words {words}, sizes {sizes}, outputs {outputs}.")
