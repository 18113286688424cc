"""The base class of all techniques: an immutable record of knobs."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from goodfit.errors import InputError
from goodfit.knobs import Knob, Record, Value, knob
from goodfit.reference import Reference

__all__ = ["Knob", "Record", "Technique", "Value", "knob"]


class Technique(Record):
    """Base class of regularization techniques: knobs, and pure functions on tensors.

    Derive from a class of `goodfit.stages`, which determines where in a training step the technique acts.
    """

    references: ClassVar[tuple[Reference, ...]] = ()
    """The publications that the technique comes from."""
    aliases: ClassVar[tuple[str, ...]] = ()
    """Other names for it in recipes."""
    cheap_when_neutral: ClassVar[bool] = True
    """Whether its neutral form costs next to nothing, so that runs without it may share a population with it."""
    not_vectorizable: ClassVar[str] = ""
    """Why runs with it cannot be trained as a population; empty if they can."""
    not_storable: ClassVar[str] = ""
    """Why recipes with it cannot be written to a file; empty if they can."""
    needs_targets: ClassVar[str] = "any"
    """The targets that it accepts: `labels` (classes), `numbers`, or `any`."""
    kinds: ClassVar[tuple[str, ...]] = ()
    """The data kinds whose inputs it accepts (see `goodfit.data.kinds`); empty: all."""
    needs_floats: ClassVar[bool] = False
    """Whether inputs must be floats. False: also whole numbers, such as word ids, are accepted."""
    needs_rgb: ClassVar[bool] = False
    """Whether it needs images with three channels: red, green and blue."""
    needs_vocabulary: ClassVar[bool] = False
    """Whether it needs to know the words behind the word ids of a text."""

    @property
    def on(self) -> str:
        """The selector of its layers or tensors; empty for techniques that act on none. A knob of this name sets it."""
        return ""

    @classmethod
    def name(cls) -> str:
        """The name in recipes: the class name in snake case; in the catalogue, the name of the technique's file.

        >>> from goodfit.techniques import Dropout, MixUp
        >>> Dropout.name(), MixUp.name(), type("GroupL2", (Dropout,), {}).name()
        ('dropout', 'mixup', 'group_l2')
        """
        if cls.__module__.startswith("goodfit.techniques."):
            return cls.__module__.rsplit(".", 1)[-1]
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.__name__).lower()

    @classmethod
    def strengths(cls) -> tuple[str, ...]:
        """The knobs that have a neutral value. If all of them have it, the technique has no effect."""
        return tuple(name for name, k in cls.knobs().items() if k.neutral is not None)

    def idle(self) -> bool:
        """Whether every strength has its neutral value, so that the technique has no effect.

        >>> from goodfit.techniques import BatchNorm, Dropout
        >>> Dropout(0.0).idle(), Dropout(0.5).idle(), BatchNorm().idle()
        (True, False, False)
        """
        names = self.strengths()
        return bool(names) and all(getattr(self, name) == self.knobs()[name].neutral for name in names)

    @classmethod
    def main_knob(cls) -> str | None:
        """The knob that `name=value` sets in a recipe; None if the technique has no such knob."""
        marked = [name for name, k in cls.knobs().items() if k.main]
        return next(iter([*marked, *cls.strengths()]), None)

    @classmethod
    def stage(cls) -> str:
        """The stage at which it acts, for instance `OnBatch`."""
        stages = [base.__name__ for base in cls.__mro__ if re.match(r"On[A-Z]", base.__name__)]
        return stages[-1] if stages else cls.__name__

    def text(self) -> str:
        """The text of the technique in a recipe. `Recipe.of` reads it back to an equal technique.

        >>> from goodfit.techniques import ElasticNet, Dropout
        >>> Dropout(rate=0.25).text(), ElasticNet(l1=1e-5, l2=1e-4).text()
        ('dropout=0.25', 'elastic_net(l1=1e-05, l2=0.0001)')
        """
        main, declared, changed = self.main_knob(), self.knobs(), self.changed()
        active = {n for n, k in declared.items() if k.neutral is not None and k.default != k.neutral}
        shown = [n for n in declared if n in changed or n in active]
        if not shown:
            return self.name()
        if main is not None and shown == [main]:
            return f"{self.name()}={getattr(self, main)!r}"
        return f"{self.name()}({', '.join(f'{n}={getattr(self, n)!r}' for n in shown)})"

    def to_dict(self) -> dict[str, Any]:
        """The name and all knobs as plain data, for JSON and YAML.

        Raises:
            InputError: the technique holds a function, which cannot be stored.
        """
        if self.not_storable:
            raise InputError(f"{type(self).__name__}: {self.not_storable}.")
        return {"technique": self.name(), **self.values()}
