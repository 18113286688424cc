"""The tensors on which each OnWeights technique acts, and how often it acts on them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor, nn

from goodfit import surgery
from goodfit.errors import InputError
from goodfit.stages.applicability import inapplicable_reason
from goodfit.stages.common import Clock
from goodfit.stages.on_weights import OnWeights, ProximalPenalty, Scaling

LARGE = 100_000
"""Number of weights above which `OnWeights.every` applies: a pass over them costs as much as the optimizer's step."""


@dataclass(frozen=True)
class WeightTarget:
    """An OnWeights technique with the tensors on which it acts."""

    number: int  # of the technique, among the OnWeights techniques of its recipe
    technique: OnWeights
    refs: list[surgery.WeightRef]
    interval: int = 1  # steps between two steps in which it acts

    def with_interval(self, adaptive: bool) -> WeightTarget:
        """The target with the interval for its size; `adaptive`: the optimizer has a step size for each weight."""
        large = sum(ref.tensor.numel() for ref in self.refs) > LARGE
        cheap = isinstance(self.technique, ProximalPenalty) and not adaptive
        return replace(self, interval=self.technique.every if large and not cheap else 1)

    def restricted(self, held: Collection[int]) -> WeightTarget:
        """The target without the tensors that an optimizer does not hold; `held`: ids of those that it holds.

        Raises:
            InputError: no tensor is left.
        """
        refs = [ref for ref in self.refs if id(ref.tensor) in held]
        if not refs:
            names = ", ".join(ref.name for ref in self.refs[:5])
            raise InputError(
                f"{type(self.technique).__name__}: the optimizer must hold a tensor that it acts on, found none of "
                f"{names}; add them to the optimizer or choose others with on=."
            )
        return replace(self, refs=refs)


@dataclass
class Cadence:
    """Counts the steps of a technique that acts every `interval` steps and at the end of each epoch."""

    interval: int
    rates: list[float] = field(default_factory=list)  # learning rates of the steps since it last acted

    def advance(self, rate: float, clock: Clock) -> list[float]:
        """Count a step. The learning rates of the steps for which the technique acts now; empty if it does not act.

        >>> cadence = Cadence(2)
        >>> [cadence.advance(0.1, Clock(step, per_epoch=3, total=6)) for step in (1, 2, 3)]
        [[], [0.1, 0.1], [0.1]]
        """
        self.rates.append(rate)
        if len(self.rates) < self.interval and not clock.ends_epoch:
            return []
        due, self.rates = self.rates, []
        return due


def weight_targets(model: nn.Module, techniques: Sequence[OnWeights]) -> list[WeightTarget]:
    """The tensors on which each of a recipe's OnWeights techniques acts.

    Raises:
        InputError: a technique selects no tensor that it can act on (the message lists the reasons by tensor), or one
            without the dimension over which it computes norms.
    """
    targets: list[WeightTarget] = []
    for number, technique in enumerate(techniques):
        who = type(technique).__name__
        refs = surgery.select(model, technique.on, who)
        usable = [ref for ref in refs if not inapplicable_reason(technique, ref)]
        if not usable:
            by_reason: dict[str, list[str]] = defaultdict(list)
            for ref in refs:
                by_reason[inapplicable_reason(technique, ref)].append(ref.name)
            reasons = "; ".join(f"{', '.join(names[:5])}: {why}" for why, names in by_reason.items())
            raise InputError(
                f"{who}: on must choose a tensor that it can act on, got on={technique.on!r} ({reasons}); choose "
                "others."
            )
        if isinstance(technique, Scaling):
            for ref in usable:
                technique.axes(ref.tensor.ndim)
        targets.append(WeightTarget(number, technique, usable))
    return targets


def blocks(technique: OnWeights, ref: surgery.WeightRef, like: Tensor | None = None) -> list[Tensor]:
    """A tensor (or `like`, of its shape) as a technique receives it: with one row per unit, or in its own layout."""
    return ref.blocks(like) if technique.needs_units else [ref.tensor if like is None else like]
