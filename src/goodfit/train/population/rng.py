"""The random numbers of a population's steps: each member's from its own stream, stacked."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from goodfit.ops.dropout import unpack_bits, word_count
from goodfit.stages import BitNoise, Draw
from goodfit.train.population.context import Drawing, drawn
from goodfit.train.population.dropout_mode import PLACE as OWN
from goodfit.train.population.dropout_mode import Mask
from goodfit.train.population.members import Member

AT_ONCE = 2**19
"""Words of 64 bits that are drawn ahead: few enough to stay in the cache until they are used."""


@dataclass
class PredrawnDecisions:
    """Decisions that were drawn for several steps at once (different ones, steps, words of all occasions)."""

    members: Sequence[Member]
    rows: Tensor  # which of the different ones each member has (members,)
    size: int
    words: Tensor
    shapes: list[Sequence[int]]  # of each occasion's decisions
    step: int = 0

    def next(self, dtype: torch.dtype) -> list[Draw]:
        """The decisions of the next step."""
        now = self.words[:, self.step].split([word_count(shape) for shape in self.shapes], 1)
        self.step += 1
        found = [unpack_bits(part, shape).to(dtype) for part, shape in zip(now, self.shapes, strict=True)]
        same = len(self.rows) == len(self.words)
        return [(part,) if same else (part.index_select(0, self.rows),) for part in found]


@dataclass
class Noise:
    """What a program asks for in a step, as it was noted when the step was tried out, and what is drawn for it."""

    device: torch.device
    dtype: torch.dtype
    steady: bool  # whether members that take a step side by side do so for as long as their batches are alike
    tapes: dict[Hashable, list[Drawing]] = field(default_factory=dict)
    idle: dict[tuple[str, int], Draw] = field(default_factory=dict)  # for those to whom they make no difference
    ahead: PredrawnDecisions | None = None

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
                found.append(drawn(drawing, Mask(float(drawing.place.removeprefix(OWN))), member.stream("user")))
                continue
            acting = member.places[drawing.place]
            if acting.draws:
                found.append(drawn(drawing, acting.at(member.now.progress), member.stream("noise")))
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
        return self.ahead.next(self.dtype)

    def _fits(self, size: int, members: Sequence[Member]) -> bool:
        ahead = self.ahead
        return (
            ahead is not None
            and ahead.size == size
            and ahead.step < ahead.words.shape[1]
            and (ahead.members is members or ahead.members == members)
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
        left = [m.batches[m.done :].count(size) for m in members]
        shapes = [_shape(drawing, members[0]) for drawing in tape]
        counts = [word_count(shape) for shape in shapes]
        own = [tuple(m.places[drawing.place].draws for drawing in tape) for m in members]
        keys: list[Hashable] = [
            (m.seed, m.epoch, m.step, asked, *m.batches) for m, asked in zip(members, own, strict=True)
        ]
        first: dict[Hashable, int] = {}
        for i, key in enumerate(keys):
            first.setdefault(key, i)  # members of one seed draw the same numbers
        steps = min(min(left), AT_ONCE // max(1, sum(counts) * len(first)))
        if steps < 2:
            return False
        made = self._room((len(first), steps, sum(counts)))
        streams = {}
        for row, (key, i) in zip(made, first.items(), strict=True):
            _fill(row, counts, own[i], members[i].stream("noise"))
            streams[key] = members[i].stream("noise").get_state()
        places = {key: number for number, key in enumerate(first)}
        for i, (key, member) in enumerate(zip(keys, members, strict=True)):
            if first[key] != i:
                member.stream("noise").set_state(streams[key])
            member.drawn = member.step + steps
        rows = torch.tensor([places[key] for key in keys])
        self.ahead = PredrawnDecisions(members, rows, size, made, shapes)
        return True

    def _room(self, shape: tuple[int, ...]) -> Tensor:
        """Memory for words; that of those before, which are used up, where it fits."""
        if self.ahead is not None and self.ahead.words.shape == shape:
            return self.ahead.words
        return torch.empty(shape, dtype=torch.int64)


def _fill(words: Tensor, counts: Sequence[int], own: Sequence[bool], generator: torch.Generator) -> None:
    """Random words (step, words), as many for each occasion; those at which a member draws nothing are 0."""
    asked = [count for count, draws in zip(counts, own, strict=True) if draws]
    found = words if all(own) else words.new_empty(len(words), sum(asked))
    found.random_(-(2**63), None, generator=generator)
    if not all(own):
        parts = iter(found.split(asked, 1))
        for place, draws in zip(words.split(counts, 1), own, strict=True):
            place.copy_(next(parts)) if draws else place.zero_()


def _decides(drawing: Drawing, member: Member) -> bool:
    return not drawing.place.startswith(OWN) and isinstance(member.places[drawing.place].technique, BitNoise)


def _shape(drawing: Drawing, member: Member) -> Sequence[int]:
    technique: Any = member.places[drawing.place].technique
    shape: Sequence[int] = technique.bits_shape(*drawing.like)
    return shape
