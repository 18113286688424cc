"""The random numbers of a population's steps: each member's from its own stream, stacked."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from goodfit.stages import Draw
from goodfit.stages.draws import Decides, decisions, words
from goodfit.train.population.member import Member
from goodfit.train.population.own_noise import PLACE as OWN
from goodfit.train.population.own_noise import Mask
from goodfit.train.population.source import Drawing, drawn

AT_ONCE = 2**22
"""Words of 64 bits that are drawn ahead."""


@dataclass
class Ahead:
    """Decisions that were drawn for several steps at once: per occasion (steps, members, words)."""

    members: list[Member]
    size: int
    words: list[Tensor]
    step: int = 0


@dataclass
class Noise:
    """What a program asks for in a step, as it was noted when the step was tried out, and what is drawn for it."""

    device: torch.device
    dtype: torch.dtype
    steady: bool  # whether members that take a step side by side do so for as long as their batches are alike
    tapes: dict[Hashable, list[Drawing]] = field(default_factory=dict)
    idle: dict[tuple[str, int], Draw] = field(default_factory=dict)  # for those to whom they make no difference
    ahead: Ahead | None = None

    def draw(self, kind: Hashable, size: int, members: Sequence[Member]) -> list[Draw]:
        """The random numbers for a step of some members, with batches of this size."""
        tape = self.tapes[kind]
        if not tape:
            return []
        found = self._from_ahead(tape, size, members)
        if found is None:
            found = [self._each(drawing, size, members) for drawing in tape]
        for member in members:
            member.drawn = max(member.drawn, member.step + 1)
        # Compilers have no vector form for 16-bit numbers.
        return [tuple(t.to(self.dtype) if t.dtype == torch.int16 else t for t in one) for one in found]

    def _each(self, drawing: Drawing, size: int, members: Sequence[Member]) -> Draw:
        found = []
        for member in members:
            assert member.drawn <= member.step, "random numbers that were drawn ahead must be used"
            if drawing.place.startswith(OWN):
                found.append(drawn(drawing, Mask(float(drawing.place.removeprefix(OWN))), member.user))
                continue
            acting = member.places[drawing.place]
            if acting.draws:
                found.append(drawn(drawing, acting.at(member.now.done), member.noise))
                continue
            key = drawing.place, size
            if key not in self.idle:
                self.idle[key] = drawn(drawing, acting.technique, torch.Generator(self.device))
            found.append(self.idle[key])
        return tuple(map(torch.stack, zip(*found, strict=True)))

    # ---- decisions, for many steps at once -----------------------------------------------------

    def _from_ahead(self, tape: Sequence[Drawing], size: int, members: Sequence[Member]) -> list[Draw] | None:
        """Decisions that were drawn before, or are now, for all steps of this size that this epoch still has.

        None where something else than decisions is drawn, or members do not take these steps side by side.
        """
        if not self._fits(size, members) and not self._draw_ahead(tape, size, members):
            return None
        assert self.ahead is not None
        ahead, self.ahead.step = self.ahead, self.ahead.step + 1
        shapes = [_shape(drawing, members[0]) for drawing in tape]
        return [(decisions(w[ahead.step - 1], shape),) for w, shape in zip(ahead.words, shapes, strict=True)]

    def _fits(self, size: int, members: Sequence[Member]) -> bool:
        ahead = self.ahead
        return (
            ahead is not None
            and ahead.size == size
            and ahead.step < (len(ahead.words[0]) if ahead.words else 0)
            and len(ahead.members) == len(members)
            and all(a is b for a, b in zip(ahead.members, members, strict=True))
            and members[0].drawn > members[0].step
        )

    def _draw_ahead(self, tape: Sequence[Drawing], size: int, members: Sequence[Member]) -> bool:
        if (
            not self.steady
            or self.device.type != "cpu"
            or not all(_decides(drawing, m) for drawing in tape for m in members)
        ):
            return False
        if any(m.drawn != m.step for m in members):  # drawn ahead already, in other company
            return False
        left = [sum(len(rows) == size for rows in m.batches[m.done :]) for m in members]
        counts = [words(_shape(drawing, members[0])) for drawing in tape]
        steps = min(min(left), AT_ONCE // max(1, sum(counts) * len(members)))
        if steps < 2:
            return False
        made = [torch.zeros(steps, len(members), count, dtype=torch.int64) for count in counts]
        for k, member in enumerate(members):
            own = [i for i, drawing in enumerate(tape) if member.places[drawing.place].draws]
            asked = [counts[i] for i in own]
            found = torch.empty(steps, sum(asked), dtype=torch.int64)
            found.random_(-(2**63), None, generator=member.noise)
            for i, part in zip(own, found.split(asked, 1), strict=True):
                made[i][:, k] = part
            member.drawn = member.step + steps
        self.ahead = Ahead(list(members), size, made)
        return True


def _decides(drawing: Drawing, member: Member) -> bool:
    return not drawing.place.startswith(OWN) and isinstance(member.places[drawing.place].technique, Decides)


def _shape(drawing: Drawing, member: Member) -> Sequence[int]:
    technique: Any = member.places[drawing.place].technique
    shape: Sequence[int] = technique.decisions(*drawing.like)
    return shape
