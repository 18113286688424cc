"""What a network's inputs are: their data kind, the range of their values, and columns that belong together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from torch import Tensor

from goodfit.data.kinds import DataKind, kind_of_inputs
from goodfit.data.kinds import kind as kind_named
from goodfit.data.text.vocabulary import Vocabulary
from goodfit.errors import InputError


@dataclass(frozen=True)
class Inputs:
    """What augmentation must know of inputs: their kind and the range of their values.

    Args:
        kind: the name of the data kind (see `goodfit.data.kinds`).
        low: the lowest value after preprocessing: black, or the most negative amplitude of a sound.
        high: the highest value after preprocessing: white, or the most positive amplitude of a sound.
        rate: a sound's samples or a clip's frames per second; 0 where it is unknown, or where frames are spread evenly
            over clips of any length.
        groups: columns (first, end) of a table that encode one category, each 0 or 1 and at most one of them 1; all
            other columns are numbers.
        vocabulary: how many word ids there are for texts.
        words: the words behind the ids, stored with the preprocessing.

    >>> Inputs("image", low=-0.5, high=2.5).shape_text
    '(rows, channels, height, width)'

    Raises:
        InputError: an unknown kind, low not below high, or groups that are not in order.
    """

    kind: str = "table"
    low: Any = 0.0
    high: Any = 1.0
    rate: float = 0
    groups: tuple[tuple[int, int], ...] = ()
    vocabulary: int = 0
    words: Vocabulary | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Check the values."""
        kind_named(self.kind)
        if not isinstance(self.low, Tensor) and not self.low < self.high:
            raise InputError(f"inputs: low must be below high, got low={self.low!r}, high={self.high!r}.")
        if self.words is not None and not self.vocabulary:
            object.__setattr__(self, "vocabulary", len(self.words))
        ends = [0, *(end for _, end in self.groups)]
        if any(not before <= first < end for before, (first, end) in zip(ends, self.groups, strict=False)):
            raise InputError(
                f"inputs: groups must be (first, end) of columns, in order without overlap, got groups={self.groups!r}."
            )

    @classmethod
    def of(cls, x: Tensor, kind: str | None = None) -> Self:
        """The properties of tensors that are already divided and preprocessed; the range is that of their values.

        The range of sounds is symmetric around silence.

        Args:
            x: inputs (rows, …).
            kind: their kind; without it, it is inferred from their shape and dtype.

        >>> import torch
        >>> Inputs.of(torch.tensor([0.0, 2.0]).reshape(1, 1, 1, 2))
        Inputs(kind='image', low=0.0, high=2.0, rate=0, groups=(), vocabulary=0)

        Raises:
            InputError: an unknown kind, or a shape that it cannot have.
        """
        floats = x.is_floating_point()
        chosen = kind_of_inputs(tuple(x.shape), floats) if kind is None else kind_named(kind)
        if chosen.space and x.ndim != chosen.space + 2:
            raise InputError(f"inputs: {chosen.name} data has the shape {chosen.shape_text}, got {tuple(x.shape)}.")
        if chosen.whole_numbers:
            if floats or x.ndim != 2 or (x.numel() and int(x.min()) < 0):
                raise InputError(
                    f"inputs: {chosen.name} data must be word ids from 0 on, {chosen.shape_text}, got {x.dtype} "
                    f"{tuple(x.shape)}; give an integer tensor without negative numbers."
                )
            return cls(chosen.name, vocabulary=int(x.max()) + 1 if x.numel() else 0)
        measured = chosen.space and x.numel()
        ends = chosen.value_range(float(x.min()), float(x.max())) if measured else (0.0, 1.0)
        return cls(chosen.name, *ends) if ends[0] < ends[1] else cls(chosen.name)

    @property
    def data_kind(self) -> DataKind:
        """The data kind itself."""
        return kind_named(self.kind)

    @property
    def shape_text(self) -> str:
        """The shape of tensors of this kind, in words."""
        return self.data_kind.shape_text

    def unit(self, x: Tensor) -> Tensor:
        """Values in [low, high] as numbers in [0, 1]."""
        scaled: Tensor = (x - self.low) / (self.high - self.low)
        return scaled

    def back(self, unit: Tensor) -> Tensor:
        """The inverse of `unit`."""
        values: Tensor = unit * (self.high - self.low) + self.low
        return values

    def between(self, low: Any, high: Any) -> Self:
        """The same inputs with another range; its ends may be tensors over the members of a population."""
        return replace(self, low=low, high=high)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, without the words."""
        values = asdict(replace(self, words=None))
        del values["words"]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        groups = tuple((int(first), int(end)) for first, end in values["groups"])
        low, high, rate = (float(values[key]) for key in ("low", "high", "rate"))
        whole = int(rate) if rate.is_integer() else rate
        return cls(values["kind"], low, high, whole, groups, int(values.get("vocabulary", 0)))


TABLE = Inputs()
"""Rows of a table."""


@dataclass(frozen=True)
class InputOptions:
    """How raw rows become inputs.

    Args:
        kind: the name of their data kind.
        rate: samples or frames per second, 0 if unknown.
        whiten: the ε of `goodfit.data.whitening.Whitening`; None: they are not whitened.
    """

    kind: str = "table"
    rate: float = 0
    whiten: float | None = None


PLAIN = InputOptions()
"""Rows of a table, or of numbers."""
