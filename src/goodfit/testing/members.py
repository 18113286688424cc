"""Checks of a technique in a population: members computed at once equal each member computed alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar
from unittest import SkipTest

import torch
from torch import Tensor
from torch.func import vmap

from goodfit.recipe import Recipe
from goodfit.stages import (
    Attack,
    Augmentation,
    AveragedWeights,
    BatchTransform,
    BranchNoise,
    Clock,
    Decay,
    HiddenMix,
    Noise,
    Normalization,
    OnEpoch,
    OnGrads,
    OnLoss,
    OnSample,
    Penalty,
    Projection,
    ProximalPenalty,
    QuadraticPenalty,
    ResettingAverage,
    Scaling,
    SmoothPenalty,
    TrainableStrengths,
    WeightPerturbation,
)
from goodfit.technique import Technique, Value
from goodfit.testing.member_inputs import arguments, forward_pass, inputs_like, other_values, sound_inputs
from goodfit.train.stages.augmentation import BatchAugmenter
from goodfit.train.stages.hooks import StepContext

CLOCKS = (Clock(10, 5, 20), Clock(12, 6, 16), Clock(20, 4, 20))
"""Ends of epochs, one per member."""

Values = dict[str, Any]
Slope = Callable[[Callable[[Tensor], Tensor], Tensor], Tensor]
"""A function with a number as its value, and a point → the gradient there."""


def check_stacked_equals_single(technique: type[Technique]) -> None:
    """Its functions give the same results for stacked members (torch.func.vmap) as for each member alone."""
    if reason := why_not_stacked(technique):
        raise SkipTest(reason)
    for shared in shared_values(technique):
        check_members(technique, shared)


def check_draws_depend_on_no_values(technique: type[Technique]) -> None:
    """`draw` uses only its generator and the shapes and dtypes of its arguments."""
    if reason := why_not_stacked(technique) or ("" if hasattr(technique, "draw") else "it draws nothing"):
        raise SkipTest(reason)
    for member in _members(technique, {}):
        for args in arguments(technique, 1):
            generators = [torch.Generator().manual_seed(0) for _ in range(2)]
            draws = [_draw(member, a, g) for a, g in zip((args, other_values(args)), generators, strict=True)]
            same = len(draws[0]) == len(draws[1]) and all(map(torch.equal, *draws))
            same = same and torch.equal(generators[0].get_state(), generators[1].get_state())
            rule = "draw must use only `generator` and the shapes and dtypes of its arguments"
            assert same, f"{rule}, got draws that depend on something else: {member}"


def why_not_stacked(technique: type[Technique]) -> str:
    """Why members of a population do not call its functions on stacked tensors; empty if they do."""
    if technique.not_vectorizable:
        return technique.not_vectorizable
    return "members call it one by one" if issubclass(technique, OnSample | OnEpoch | Normalization) else ""


def shared_values(technique: type[Technique]) -> Iterator[Values]:
    """The values that all members share: the defaults, and each other choice of a knob that is not a number."""
    yield {}
    for name, knob in technique.knobs().items():
        if isinstance(knob.default, bool):
            yield {name: not knob.default}
        elif name != "schedule":
            yield from ({name: choice} for choice in knob.choices if choice != knob.default)


def check_members(technique: type[Technique], shared: Values) -> None:
    """Compare three members computed at once with each one alone, for one set of shared values."""
    members = _members(technique, shared)
    for args in zip(*(arguments(technique, seed) for seed in range(len(members))), strict=True):
        learned = [
            t.initial_values(a[0]) if isinstance(t, TrainableStrengths) else {}
            for t, a in zip(members, args, strict=True)
        ]
        generators = [torch.Generator().manual_seed(i) for i in range(len(members))]
        draws = [_draw(t, a, generator) for t, a, generator in zip(members, args, generators, strict=True)]
        alone = [
            _flat(_apply(t.with_values(**own), a, draw, clock, _gradient_by_autograd))
            for t, own, a, draw, clock in zip(members, learned, args, draws, CLOCKS, strict=True)
        ]
        values = _stacked_knobs(members) | {n: torch.stack([own[n] for own in learned]) for n in learned[0]}
        together = _apply_to_all(members[0], values, _stack(args), _stack(draws))
        _compare(technique, members, together, alone)


def _apply_to_all(member: Technique, values: dict[str, Tensor], args: Any, draws: Any) -> list[Tensor]:
    def one(values: dict[str, Tensor], args: Any, draw: Any, clock: tuple[Tensor, ...]) -> list[Tensor]:
        technique = member.with_values(**values)
        return _flat(_apply(technique, args, draw, Clock(*clock), _gradient_by_func))  # type: ignore[arg-type]

    clocks = tuple(torch.tensor([[c.step, c.per_epoch, c.total] for c in CLOCKS], dtype=torch.float64).T)
    return vmap(one)(values, args, draws, clocks)


def _compare(
    technique: type[Technique], members: Sequence[Technique], together: list[Tensor], alone: list[list[Tensor]]
) -> None:
    for number, stacked in enumerate(together):
        for i, member in enumerate(members):
            same = stacked[i].shape == alone[i][number].shape
            same = same and torch.allclose(stacked[i], alone[i][number], rtol=1e-12, atol=1e-12)
            assert same, f"{member} must give the same result in a stack of members as alone"
        # A population contains runs without the technique: there it must have no effect, to the bit.
        if technique.cheap_when_neutral and members[0].idle():
            same = torch.equal(stacked[0], alone[0][number])
            assert same, f"{members[0]} must give bit-identical results in a stack of members and alone"


def _members(technique: type[Technique], shared: Values) -> list[Technique]:
    """A member at the neutral values, and two at the ends of the search ranges."""
    numbers = {n: k for n, k in technique.knobs().items() if type(k.default) is float and n not in shared}

    def choose(pick: Callable[[tuple[Value, ...]], Value]) -> Values:
        return {n: pick(k.search) if k.search else k.default for n, k in numbers.items()} | shared

    neutral = {n: k.neutral for n, k in numbers.items() if k.neutral is not None}
    return [technique.of(choose(max) | neutral), technique.of(choose(min)), technique.of(choose(max))]


def _stacked_knobs(members: Sequence[Technique]) -> dict[str, Tensor]:
    """The float knobs of all members: name → (member,)."""
    names = [n for n, k in members[0].knobs().items() if type(k.default) is float]
    return {n: torch.tensor([getattr(t, n) for t in members], dtype=torch.float64) for n in names}


def _draw(technique: Any, args: tuple[Any, ...], generator: torch.Generator) -> tuple[Tensor, ...]:
    """Everything random; an empty tuple if the technique draws nothing."""
    like = (forward_pass(*args),) if isinstance(technique, OnLoss) else args
    return tuple(technique.draw(*like, generator)) if hasattr(technique, "draw") else ()


def _apply(technique: Technique, args: Any, draw: tuple[Tensor, ...], clock: Clock, slope: Slope) -> Any:
    """The results of everything that a population calls, for one member: nested tensors."""
    for base, apply in APPLY.items():
        if isinstance(technique, base):
            return apply(technique, args, draw, clock, slope)
    raise AssertionError(
        f"{type(technique).__name__}: it must derive from a base class that the trainers apply, got "
        f"{type(technique).__mro__[1].__name__}; see goodfit.registry.BASES"
    )


class _FixedDraws(StepContext):
    """A step in which the technique has its own values, with draws that are given."""

    eager: ClassVar[bool] = False

    def __init__(self, technique: Technique, draws: tuple[Tensor, ...]) -> None:
        super().__init__()
        self.technique, self.draws = technique, draws

    def draw(self, *_: Any) -> tuple[Tensor, ...]:
        """What was drawn before."""
        return self.draws


def _transform(technique: BatchTransform, args: Any, draw: Any, clock: Clock, slope: Slope) -> Any:
    x, y = args
    return technique.transform_batch(x, y, draw, inputs_like(x))


def _augment(technique: Augmentation, args: Any, draw: Any, clock: Clock, slope: Slope) -> Any:
    x, y = args
    inputs = sound_inputs() if technique.kinds[0] == sound_inputs().kind else inputs_like(x)
    return BatchAugmenter(Recipe((technique,)), _FixedDraws(technique, draw), inputs, "abc")(x, y)


def _attack(technique: Attack, args: Any, draw: Any, clock: Clock, slope: Slope) -> Any:
    x = args[0]
    return technique.attack(x, x.cos(), x[0].abs(), draw)


def _mix(technique: HiddenMix, args: Any, draw: Any, clock: Clock, slope: Slope) -> Any:
    return technique.targets(args[1], draw), technique.mix(args[0], draw)


def _perturb(technique: Any, args: Any, draw: Any, clock: Clock, slope: Slope) -> Any:
    noise = technique.branch(0.5) if isinstance(technique, BranchNoise) else technique
    (x,) = args
    return noise.perturb(x, draw), slope(lambda x: noise.perturb(x, draw).square().sum(), x)


def _wrap(technique: OnGrads, args: Any, draw: Any, clock: Clock, slope: Slope) -> Any:
    def gradient(weights: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        return sum((w**4).sum() / 4 for w in weights), [w**3 for w in weights]  # type: ignore[return-value]

    return technique.wrap(gradient, draw, clock)(args[0])


def _average(technique: AveragedWeights, args: Any, draw: Any, clock: Clock, slope: Slope) -> Any:
    (weights,) = args
    state = technique.start(weights)
    for factor in (2.0, -1.0):
        state = technique.update(state, [factor * w for w in weights], clock)
    return technique.weights(state), technique.reset_state(state) if isinstance(technique, ResettingAverage) else state


def _loss_term(technique: OnLoss, args: Any, draw: Any, clock: Clock, slope: Slope) -> Any:
    w, x, y = args
    term = slope(lambda w: technique.term(forward_pass(w, x, y), draw), w)
    return technique.term(forward_pass(w, x, y), draw), term


def _penalize(technique: Penalty, args: Any, draw: Any, clock: Clock, slope: Slope) -> Any:
    (w,) = args
    results = [technique.value(w)]
    if isinstance(technique, QuadraticPenalty):
        results.append(technique.coefficient() * w)
    if isinstance(technique, SmoothPenalty):
        results.append(technique.gradient(w))
    if isinstance(technique, ProximalPenalty):
        rate = w.detach().abs().mean()
        results += [technique.prox(w.clone(), step) for step in (0.1 * rate, 0.1 * rate + w.square())]
    return results


def _decay(technique: Decay, args: Any, draw: Any, clock: Clock, slope: Slope) -> Any:
    (w,) = args
    return technique.factor(w.abs().mean()) * w


def _scale(technique: Scaling, args: Any, draw: Any, clock: Clock, slope: Slope) -> Any:
    (w,) = args
    return technique.scale(torch.linalg.vector_norm(w, dim=technique.axes(w.ndim), keepdim=True))


def _project(technique: Projection, args: Any, draw: Any, clock: Clock, slope: Slope) -> Any:
    (w,) = args
    allowed, state = technique.project(w.clone(), technique.start(w))
    return allowed, technique.project(2 * allowed, state)[0]


APPLY: dict[Any, Callable[..., Any]] = {
    Augmentation: _augment,
    BatchTransform: _transform,
    Attack: _attack,
    HiddenMix: _mix,
    Noise | BranchNoise | WeightPerturbation: _perturb,
    OnGrads: _wrap,
    AveragedWeights: _average,
    OnLoss: _loss_term,
    Penalty: _penalize,
    Decay: _decay,
    Scaling: _scale,
    Projection: _project,
}
"""Base class → what a population calls."""


def _gradient_by_autograd(cost: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    return torch.autograd.grad(cost(x), x)[0]


def _gradient_by_func(cost: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return torch.func.grad(cost)(x)  # type: ignore[no-any-return]


def _flat(results: Any) -> list[Tensor]:
    """The tensors of nested tuples and lists, one after another."""
    return [results] if isinstance(results, Tensor) else [tensor for part in results for tensor in _flat(part)]


def _stack(parts: Sequence[Any]) -> Any:
    """Stack the tensors of members, which are in the same nested tuples and lists: (member, …)."""
    if isinstance(parts[0], Tensor):
        return torch.stack(list(parts))
    return type(parts[0])(_stack(same) for same in zip(*parts, strict=True))
