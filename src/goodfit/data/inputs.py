"""What a network's inputs are: rows of a table, images, sound; and which of their values are black and white."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self, TypeAlias, get_args

from torch import Tensor

from goodfit.data.text.vocabulary import Vocabulary
from goodfit.errors import InputError, near

Kind: TypeAlias = Literal["table", "series", "image", "video", "sound", "text"]
KINDS: tuple[str, ...] = get_args(Kind)
LAYOUTS: dict[str, str] = {
    "table": "(rows, columns)",
    "series": "(rows, channels, time)",
    "image": "(rows, channels, height, width)",
    "video": "(rows, channels, frames, height, width)",
    "sound": "(rows, channels, time)",
    "text": "(rows, words)",
}
"""Kind → the shape of its tensors."""


SPACES = {"table": 0, "text": 0, "series": 1, "sound": 1, "image": 2, "video": 3}
"""Kind → the dimensions behind the channels."""


@dataclass(frozen=True)
class Inputs:
    """What augmentation must know of inputs: their kind, and the values that stand for black and white in them.

    `low` and `high` are the ends of the range that values keep to, after preprocessing (an image's black and white, a
    sound's loudest swings). `rate`: a sound's samples or a clip's frames per second, 0 where that is not known or where
    frames are spread evenly over clips of any length. `groups`: which columns of a table, from and up to, tell one
    category together, each 0 or 1 and at most one of them 1; the other columns are numbers. `vocabulary`: how many
    numbers stand for a text's words; `words`: what is known of them, which is stored with the preprocessing.

    >>> Inputs("image", low=-0.5, high=2.5).shape_text
    '(rows, channels, height, width)'

    Raises:
        InputError: an unknown kind, ends that are not low < high, or groups that are not in order.
    """

    kind: Kind = "table"
    low: Any = 0.0
    high: Any = 1.0
    rate: float = 0
    groups: tuple[tuple[int, int], ...] = ()
    vocabulary: int = 0
    words: Vocabulary | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.kind not in KINDS:
            raise InputError(
                f"inputs: kind must be one of {', '.join(KINDS)}, got {self.kind!r}.{near(self.kind, KINDS)}"
            )
        if not isinstance(self.low, Tensor) and not self.low < self.high:
            raise InputError(f"inputs: low must be below high, got low={self.low!r}, high={self.high!r}.")
        if self.words is not None and not self.vocabulary:
            object.__setattr__(self, "vocabulary", len(self.words))
        ends = [0, *(end for _, end in self.groups)]
        if any(not before <= first < end for before, (first, end) in zip(ends, self.groups, strict=False)):
            raise InputError(
                f"inputs: groups must be (first, end) of columns, in order and apart, got groups={self.groups!r}."
            )

    @classmethod
    def of(cls, x: Tensor, kind: str | None = None) -> Self:
        """Those of tensors that are divided and preprocessed already: the range is that of their values.

        >>> import torch
        >>> Inputs.of(torch.tensor([0.0, 2.0]).reshape(1, 1, 1, 2))
        Inputs(kind='image', low=0.0, high=2.0, rate=0, groups=(), vocabulary=0)

        Raises:
            InputError: an unknown kind, or a shape that it cannot have.
        """
        whole = not x.is_floating_point()
        found: Any = kind or {2: "text" if whole else "table", 3: "series", 4: "image", 5: "video"}.get(x.ndim, "table")
        space = SPACES.get(found, 0)
        if space and x.ndim != space + 2:
            raise InputError(f"inputs: {found} data has the shape {LAYOUTS[found]}, got {tuple(x.shape)}.")
        if found == "text":
            if not whole or x.ndim != 2 or (x.numel() and int(x.min()) < 0):
                raise InputError(
                    f"inputs: text data are numbers of words from 0 on, {LAYOUTS[found]}, "
                    f"got {x.dtype} {tuple(x.shape)}."
                )
            return cls(found, vocabulary=int(x.max()) + 1 if x.numel() else 0)
        ends = (float(x.min()), float(x.max())) if space and x.numel() else (0.0, 1.0)
        return cls(found, *ends) if ends[0] < ends[1] else cls(found)

    @property
    def shape_text(self) -> str:
        """The shape of tensors of this kind, in words."""
        return LAYOUTS[self.kind]

    def unit(self, x: Tensor) -> Tensor:
        """Values between the ends as numbers in [0, 1]."""
        shares: Tensor = (x - self.low) / (self.high - self.low)
        return shares

    def back(self, unit: Tensor) -> Tensor:
        """The inverse of `unit`."""
        values: Tensor = unit * (self.high - self.low) + self.low
        return values

    def between(self, low: Any, high: Any) -> Self:
        """The same with other ends, which may be tensors: those of a population's members."""
        return replace(self, low=low, high=high)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: all but the words themselves."""
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
    """As what rows are taken: their kind, samples or frames per second (0: not known), and how they are whitened.

    `whiten`: the ε of `goodfit.data.whitening.Whitening`; none: they are not.
    """

    kind: Kind = "table"
    rate: float = 0
    whiten: float | None = None


PLAIN = InputOptions()
"""Rows of a table, or of numbers."""
