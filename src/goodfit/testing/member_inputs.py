"""Inputs for the functions of a technique, as one member of a population passes them: tensors from a seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.data.kinds import KINDS, DataKind
from goodfit.data.text.vocabulary import Vocabulary
from goodfit.stages import (
    Augmentation,
    AveragedWeights,
    BranchNoise,
    ForwardPass,
    Noise,
    OnBatch,
    OnGrads,
    OnLoss,
    OnWeights,
    WeightPerturbation,
)
from goodfit.technique import Technique

Arguments = list[tuple[Any, ...]]
TABLE = Inputs(groups=((1, 3), (3, 5)))
VOCABULARY = Vocabulary.of(
    ["happy", "glad", "felicitous", "tow", "two", "house", "home", "the"],
    [5, 1, 0, 2, 7, 3, 3, 40],
    [4, 1, 0, 2, 5, 3, 2, 20],
    20,
)


def arguments(technique: type[Technique], seed: int) -> Arguments:
    """Several tuples of arguments for the technique's functions, without the random draws."""
    if issubclass(technique, Augmentation) and not _accepts_any_batch(technique):
        kinds = [kind for kind in KINDS.values() if not technique.kinds or kind.name in technique.kinds]
        return _augmentation_arguments(max(kinds, key=lambda kind: len(kind.example_shapes)), seed)
    for base, make in ARGUMENTS.items():
        if issubclass(technique, base):
            return make(seed)
    if issubclass(technique, OnLoss):
        return _loss_arguments(technique, seed)
    needs_matrix = issubclass(technique, OnWeights) and technique.needs_matrix
    shapes = [(4, 6), (4, 3, 2, 2)] + ([] if needs_matrix else [(5,)])
    return [(_kernel(seed, shape),) for shape in shapes]


def inputs_like(x: Tensor) -> Inputs:
    """The description of inputs such as x (batch, …)."""
    if not x.is_floating_point():
        return Inputs("text", words=VOCABULARY)
    return {2: TABLE, 3: Inputs("series")}.get(x.ndim, Inputs("image", -0.5, 1.5))


def sound_inputs() -> Inputs:
    """The description of sounds."""
    return Inputs("sound", -3.0, 2.0)


def forward_pass(w: Tensor, x: Tensor, y: Tensor) -> ForwardPass:
    """The forward pass of a network with one layer of weights w (class, feature)."""

    def network(x: Tensor) -> Tensor:
        return torch.tanh(x @ w.T)

    output = network(x)
    losses = output.square().mean(1)
    shares = torch.tensor([0.5, 0.3, 0.2], dtype=w.dtype)
    return ForwardPass(network, x, y, output, losses, (output.sigmoid(), output), shares)


def other_values(arguments: Any) -> Any:
    """Tensors of the same shapes and dtypes with other values."""
    if isinstance(arguments, Tensor):
        return 50 - 10 * arguments if arguments.is_floating_point() else arguments.flip(0)
    return type(arguments)(other_values(part) for part in arguments)


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal numbers in double precision."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _batch(seed: int, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """x (batch, …) and y (batch, class), probabilities."""
    return normal(7, *shape, seed=seed), normal(7, 3, seed=seed + 100).softmax(1)


def _table(seed: int) -> tuple[Tensor, Tensor]:
    """Rows of a number and two categories of two values each; some categories are missing."""
    x, y = _batch(seed, (5,))
    for first, end in TABLE.groups:
        x[:, first:end] = (x[:, first:end] == x[:, first:end].max(1, keepdim=True)[0]) & (x[:, first:end] > -0.5)
    return x, y


def _texts(seed: int) -> tuple[Tensor, Tensor]:
    """Texts of one to eight words."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(1, len(VOCABULARY), (7, 8), generator=generator)
    lengths = torch.randint(1, 9, (7, 1), generator=generator)
    return torch.where(torch.arange(8) < lengths, x, 0), _batch(seed, ())[1]


def _augmentation_arguments(kind: DataKind, seed: int) -> Arguments:
    """Batches of a kind of data; those of images and videos have values in [0, 1]."""
    if kind.whole_numbers:
        return [_texts(seed)]
    if not kind.example_shapes:
        return [_table(seed)]
    batches = [_batch(seed, shape) for shape in kind.example_shapes]
    return [(x.sigmoid(), y) for x, y in batches] if kind.channels_last else batches


def _kernel(seed: int, shape: Sequence[int]) -> Tensor:
    """A weight tensor in which all weights of one unit are zero."""
    w = normal(*shape, seed=seed)
    w[1] = 0
    return w


def _loss_arguments(technique: type[OnLoss], seed: int) -> Arguments:
    """Weights, inputs and targets; labels as probabilities and as class numbers."""
    targets = [normal(7, 3, seed=seed)]
    if technique.needs_targets == "labels":
        targets = [targets[0].softmax(1), torch.arange(7) % 3]
    return [(normal(3, 5, seed=seed), normal(7, 5, seed=seed + 1), y) for y in targets]


def _accepts_any_batch(technique: type[Augmentation]) -> bool:
    """Whether it accepts tables and other kinds of data too."""
    return TABLE.kind in technique.kinds and len(technique.kinds) > 1


ARGUMENTS: dict[Any, Callable[[int], Arguments]] = {
    OnBatch: lambda seed: [_table(seed), *(_batch(seed, shape) for shape in ((5,), (2, 6), (2, 4, 6)))],
    Noise: lambda seed: [(normal(7, *shape, seed=seed),) for shape in ((4, 6), (4, 6, 5), (4, 6, 5, 3))],
    BranchNoise: lambda seed: [(normal(7, *shape, seed=seed),) for shape in ((4,), (4, 6))],
    WeightPerturbation: lambda seed: [(normal(*shape, seed=seed),) for shape in ((4, 6), (4, 3, 2), (5,))],
    OnGrads | AveragedWeights: lambda seed: [([normal(4, 5, seed=seed), normal(4, seed=seed + 1)],)],
}
"""Base class → arguments."""
