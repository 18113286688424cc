"""The random numbers of a population's steps: drawn from each member's own stream, and stacked."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from goodfit.ops.dropout import unpack_bits, word_count
from goodfit.stages import BitNoise, Draw
from goodfit.train.population.context import DrawRequest
from goodfit.train.population.members import Member
from goodfit.train.stages.hooks import SiteKey

WORDS_AHEAD = 2**19
"""Words of 64 bits that are drawn in advance: few enough to stay in the cache until they are used."""


class StreamKey(NamedTuple):
    """Members with the same key draw the same bits in the rest of the epoch."""

    seed: int
    epoch: int
    step: int
    draws: tuple[bool, ...]  # for each request, whether the member draws numbers
    batches: tuple[int, ...]  # sizes

    @classmethod
    def of(cls, member: Member, requests: Sequence[DrawRequest]) -> StreamKey:
        """The key of a member."""
        draws = tuple(member.techniques[request.site].draws for request in requests)
        return cls(member.seed, member.epoch, member.step, draws, tuple(member.batches))


@dataclass
class PredrawnBits:
    """Random bits drawn for several steps in advance. Members that draw the same bits share one stream of words."""

    members: Sequence[Member]
    rows: Tensor  # (member,) the row of `words` that each member uses
    size: int  # rows of a batch
    words: Tensor  # (stream, step, word)
    shapes: list[Sequence[int]]  # of the bits of each request
    step: int = 0

    def next(self, dtype: torch.dtype) -> list[Draw]:
        """The bits of the next step, one tensor per request."""
        per_request = self.words[:, self.step].split([word_count(shape) for shape in self.shapes], 1)
        self.step += 1
        bits = [unpack_bits(words, shape).to(dtype) for words, shape in zip(per_request, self.shapes, strict=True)]
        all_different = len(self.rows) == len(self.words)
        return [(b,) if all_different else (b.index_select(0, self.rows),) for b in bits]


@dataclass
class PopulationRandom:
    """Draws the random numbers that a program requests; the requests are recorded in a trial step."""

    device: torch.device
    dtype: torch.dtype
    uniform: bool  # whether members that take a step together do so as long as their batches have the same size
    requests: dict[Hashable, list[DrawRequest]] = field(default_factory=dict)  # kind of step → requests
    neutral_draws: dict[tuple[SiteKey, int], Draw] = field(default_factory=dict)
    """Numbers for members on which they have no effect, by site and size of the batch."""
    predrawn: PredrawnBits | None = None

    def draw(self, kind: Hashable, size: int, members: Sequence[Member]) -> list[Draw]:
        """The random numbers for a step of some members, with batches of this size."""
        requests = self.requests[kind]
        if not requests:
            return []
        draws = self._take_predrawn(requests, size, members)
        if draws is None:
            draws = [self._draw_each(request, size, members) for request in requests]
            for member in members:
                member.drawn = max(member.drawn, member.step + 1)
        # Compilers have no vector form for 16-bit numbers.
        return [tuple(t.to(self.dtype) if t.dtype == torch.int16 else t for t in draw) for draw in draws]

    def _draw_each(self, request: DrawRequest, size: int, members: Sequence[Member]) -> Draw:
        """The numbers for one request, member by member."""
        draws = []
        for member in members:
            assert member.drawn <= member.step, "random numbers drawn in advance must be used"
            if request.dropout is not None:
                draws.append(request.draw(request.dropout, member.stream("user")))
                continue
            technique = member.techniques[request.site]
            if technique.draws:
                draws.append(request.draw(technique.at(member.clock.progress), member.stream("noise")))
                continue
            key = request.site, size
            if key not in self.neutral_draws:
                self.neutral_draws[key] = request.draw(technique.technique, torch.Generator(self.device))
            draws.append(self.neutral_draws[key])
        return tuple(map(torch.stack, zip(*draws, strict=True)))

    # ---- bits for many steps in advance --------------------------------------------------------

    def _take_predrawn(
        self, requests: Sequence[DrawRequest], size: int, members: Sequence[Member]
    ) -> list[Draw] | None:
        """The next bits; drawn now, if necessary, for all steps of this size that are left in the epoch.

        None if the requests are not only for bits, or if members do not take these steps together.
        """
        if not self._is_usable(size, members) and not self._draw_ahead(requests, size, members):
            return None
        assert self.predrawn is not None
        return self.predrawn.next(self.dtype)

    def _is_usable(self, size: int, members: Sequence[Member]) -> bool:
        predrawn = self.predrawn
        return (
            predrawn is not None
            and predrawn.size == size
            and predrawn.step < predrawn.words.shape[1]
            and (predrawn.members is members or predrawn.members == members)
            and members[0].drawn > members[0].step
        )

    def _draw_ahead(self, requests: Sequence[DrawRequest], size: int, members: Sequence[Member]) -> bool:
        """Draw bits for the steps of this size that are left in the epoch; whether that is possible."""
        bits_only = all(_is_for_bits(request, m) for request in requests for m in members)
        if not self.uniform or self.device.type != "cpu" or not bits_only:
            return False
        if any(m.drawn != m.step for m in members):  # already drawn in advance, together with other members
            return False
        shapes = [_bits_shape(request, members[0]) for request in requests]
        counts = [word_count(shape) for shape in shapes]
        keys = [StreamKey.of(member, requests) for member in members]
        first: dict[StreamKey, Member] = {}
        for key, member in zip(keys, members, strict=True):
            first.setdefault(key, member)
        left = min(m.batches[m.batch :].count(size) for m in members)
        steps = min(left, WORDS_AHEAD // max(1, sum(counts) * len(first)))
        if steps < 2:
            return False
        words = self._allocate((len(first), steps, sum(counts)))
        for row, (key, member) in zip(words, first.items(), strict=True):
            _fill(row, counts, key.draws, member.stream("noise"))
        for key, member in zip(keys, members, strict=True):
            if first[key] is not member:
                member.stream("noise").set_state(first[key].stream("noise").get_state())
            member.drawn = member.step + steps
        positions = {key: number for number, key in enumerate(first)}
        rows = torch.tensor([positions[key] for key in keys])
        self.predrawn = PredrawnBits(members, rows, size, words, shapes)
        return True

    def _allocate(self, shape: tuple[int, ...]) -> Tensor:
        """Memory for words; reuses that of the used ones if it has this shape."""
        if self.predrawn is not None and self.predrawn.words.shape == shape:
            return self.predrawn.words
        return torch.empty(shape, dtype=torch.int64)


def _fill(words: Tensor, counts: Sequence[int], draws: Sequence[bool], generator: torch.Generator) -> None:
    """Fill words (step, word) with random bits; those of requests for which the member draws nothing become 0."""
    own_counts = [count for count, is_drawn in zip(counts, draws, strict=True) if is_drawn]
    drawn = words if all(draws) else words.new_empty(len(words), sum(own_counts))
    drawn.random_(-(2**63), None, generator=generator)
    if not all(draws):
        parts = iter(drawn.split(own_counts, 1))
        for target, is_drawn in zip(words.split(counts, 1), draws, strict=True):
            target.copy_(next(parts)) if is_drawn else target.zero_()


def _is_for_bits(request: DrawRequest, member: Member) -> bool:
    return request.dropout is None and isinstance(member.techniques[request.site].technique, BitNoise)


def _bits_shape(request: DrawRequest, member: Member) -> Sequence[int]:
    technique: Any = member.techniques[request.site].technique
    shape: Sequence[int] = technique.bits_shape(*request.like)
    return shape
