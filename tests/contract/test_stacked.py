"""What every technique that can be stacked promises: many members at once are each member by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor
from torch.func import vmap

from goodfit import techniques
from goodfit.data import Inputs
from goodfit.data.text.vocabulary import Vocabulary
from goodfit.recipe import Recipe
from goodfit.stages import (
    Attack,
    Augmentation,
    AveragedWeights,
    BatchTransform,
    BranchNoise,
    Clock,
    Decay,
    ForwardPass,
    HiddenMix,
    Noise,
    Normalization,
    OnBatch,
    OnEpoch,
    OnGrads,
    OnLoss,
    OnSample,
    OnWeights,
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
from goodfit.train.stages.augmentation import BatchAugmenter
from goodfit.train.stages.hooks import StepContext

MEMBERS = 3
CLOCKS = [Clock(10, 5, 20), Clock(12, 6, 16), Clock(20, 4, 20)]  # ends of epochs, one per member
STACKED = [
    t
    for t in techniques.ALL.values()
    if not t.not_vectorizable and not issubclass(t, OnSample | OnEpoch | Normalization)
]
DRAWING = [t for t in STACKED if hasattr(t, "draw")]

TABLE = Inputs(groups=((1, 3), (3, 5)))
WORDS = Vocabulary.of(
    ["happy", "glad", "felicitous", "tow", "two", "house", "home", "the"],
    [5, 1, 0, 2, 7, 3, 3, 40],
    [4, 1, 0, 2, 5, 3, 2, 20],
    20,
)

Values = dict[str, Any]
Slope = Callable[[Callable[[Tensor], Tensor], Tensor], Tensor]
"""A function with one number as its value, and a point → the gradient there."""


def forms(kind: type[Technique]) -> Iterator[Values]:
    """The values that members share: the default ones, and each other choice of a knob that is no number."""
    yield {}
    for name, knob in kind.knobs().items():
        if isinstance(knob.default, bool):
            yield {name: not knob.default}
        elif name != "schedule":
            yield from ({name: choice} for choice in knob.choices if choice != knob.default)


FORMS = [(kind, form) for kind in STACKED for form in forms(kind)]


def members(kind: type[Technique], form: Values) -> list[Technique]:
    """One at the neutral values, the others at the two ends of the search ranges."""
    numbers = {n: k for n, k in kind.knobs().items() if type(k.default) is float and n not in form}

    def of(choose: Callable[[tuple[Value, ...]], Value]) -> Values:
        return {n: choose(k.search) if k.search else k.default for n, k in numbers.items()} | form

    neutral = {n: k.neutral for n, k in numbers.items() if k.neutral is not None}
    return [kind.of(of(max) | neutral), kind.of(of(min)), kind.of(of(max))]


def stacked(of: Sequence[Technique]) -> dict[str, Tensor]:
    """The members' float knobs: knob → (member,)."""
    names = [n for n, k in of[0].knobs().items() if type(k.default) is float]
    return {n: torch.tensor([getattr(t, n) for t in of], dtype=torch.float64) for n in names}


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# ---- what a technique is given: tensors of one member, from a seed -------------------------------------


def batch(seed: int, space: Sequence[int]) -> tuple[Tensor, Tensor]:
    """x (batch, …) and y (batch, class), probabilities."""
    return normal(7, *space, seed=seed), normal(7, 3, seed=seed + 100).softmax(1)


def table(seed: int) -> tuple[Tensor, Tensor]:
    """Rows of a number and two categories of two values each, one of which is none of the known ones now and then."""
    x, y = batch(seed, (5,))
    for first, end in TABLE.groups:
        x[:, first:end] = (x[:, first:end] == x[:, first:end].max(1, keepdim=True)[0]) & (x[:, first:end] > -0.5)
    return x, y


def sentences(seed: int) -> tuple[Tensor, Tensor]:
    """Texts of up to eight words, of one at least."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(1, len(WORDS), (7, 8), generator=generator)
    long = torch.randint(1, 9, (7, 1), generator=generator)
    return torch.where(torch.arange(8) < long, x, 0), batch(seed, ())[1]


def kernel(seed: int, shape: Sequence[int]) -> Tensor:
    """A weight, one unit of which has no weights at all."""
    w = normal(*shape, seed=seed)
    w[1] = 0
    return w


def given(kind: type[Technique], seed: int) -> list[tuple[Any, ...]]:
    """Some arguments of the technique's functions, beside what is drawn."""
    if issubclass(kind, Augmentation) and "image" in kind.kinds and "table" not in kind.kinds:
        return [(batch(seed, space)[0].sigmoid(), batch(seed, space)[1]) for space in ((3, 6, 8), (3, 2, 6, 6))]
    if issubclass(kind, Augmentation) and "sound" in kind.kinds and "table" not in kind.kinds:
        return [batch(seed, space) for space in ((1, 64), (2, 30))]
    if issubclass(kind, Augmentation) and kind.kinds in (("table",), ("series",)):
        return [table(seed) if kind.kinds == ("table",) else batch(seed, (2, 12))]
    if issubclass(kind, Augmentation) and kind.kinds == ("text",):
        return [sentences(seed)]
    if issubclass(kind, Augmentation) and kind.kinds == ("video",):
        return [batch(seed, (3, 6, 4, 5))]
    if issubclass(kind, OnBatch):
        return [table(seed), *(batch(seed, space) for space in ((5,), (2, 6), (2, 4, 6)))]
    if issubclass(kind, Noise):
        return [(normal(7, *space, seed=seed),) for space in ((4, 6), (4, 6, 5), (4, 6, 5, 3))]
    if issubclass(kind, BranchNoise):
        return [(normal(7, *space, seed=seed),) for space in ((4,), (4, 6))]
    if issubclass(kind, WeightPerturbation):
        return [(normal(*shape, seed=seed),) for shape in ((4, 6), (4, 3, 2), (5,))]
    if issubclass(kind, OnGrads | AveragedWeights):
        return [([normal(4, 5, seed=seed), normal(4, seed=seed + 1)],)]
    if issubclass(kind, OnLoss):
        y = normal(7, 3, seed=seed).softmax(1) if kind.needs_targets == "labels" else normal(7, 3, seed=seed)
        hard = [torch.arange(7) % 3] if kind.needs_targets == "labels" else []
        return [(normal(3, 5, seed=seed), normal(7, 5, seed=seed + 1), target) for target in (y, *hard)]
    shapes = [(4, 6), (4, 3, 2, 2)] + ([] if issubclass(kind, OnWeights) and kind.needs_matrix else [(5,)])
    return [(kernel(seed, shape),) for shape in shapes]


def network(w: Tensor, x: Tensor) -> Tensor:
    return torch.tanh(x @ w.T)


def forward(w: Tensor, x: Tensor, y: Tensor) -> ForwardPass:
    """A pass of a network with weights w (class, feature), all of it known."""
    output = network(w, x)
    rows = output.square().mean(1)
    shares = torch.tensor([0.5, 0.3, 0.2], dtype=w.dtype)
    return ForwardPass(lambda x: network(w, x), x, y, output, rows, (output.sigmoid(), output), shares)


def draw(technique: Any, args: tuple[Any, ...], generator: torch.Generator) -> tuple[Tensor, ...]:
    """Everything random; nothing where it draws nothing."""
    like = (forward(*args),) if isinstance(technique, OnLoss) else args
    return tuple(technique.draw(*like, generator)) if hasattr(technique, "draw") else ()


# ---- what it does with them -----------------------------------------------------------------------------


def act(technique: Any, args: tuple[Any, ...], drawn: tuple[Tensor, ...], clock: Clock, slope: Slope) -> Any:
    """Everything that a program asks of a technique, for one member: tensors."""
    for stage, acting in ACTING.items():
        if isinstance(technique, stage):
            return acting(technique, args, drawn, clock, slope)
    raise AssertionError(f"{type(technique).__name__}: say in ACTING what a program asks of its stage")


def seen(x: Tensor) -> Inputs:
    """What inputs like x are."""
    if not x.is_floating_point():
        return Inputs("text", words=WORDS)
    return {2: TABLE, 3: Inputs("series")}.get(x.ndim, Inputs("image", -0.5, 1.5))


def change(technique: BatchTransform, args: Any, drawn: Any, clock: Clock, slope: Slope) -> Any:
    return technique.transform_batch(*args, drawn, seen(args[0]))


class StepInputs(StepContext):
    """Gives a technique as it is, and what was drawn for it."""

    eager: ClassVar[bool] = False

    def __init__(self, technique: Technique, drawn: tuple[Tensor, ...]) -> None:
        super().__init__()
        self.technique, self.drawn = technique, drawn

    def now(self, *asked: Any) -> Any:
        return self.technique

    def draw(self, *asked: Any) -> tuple[Tensor, ...]:
        return self.drawn


def augment(technique: Augmentation, args: Any, drawn: Any, clock: Clock, slope: Slope) -> Any:
    x, y = args
    inputs = Inputs("sound", -3.0, 2.0) if technique.kinds[0] == "sound" else seen(x)
    return BatchAugmenter(Recipe((technique,)), StepInputs(technique, drawn), inputs, "abc")(x, y)


def attack(technique: Attack, args: Any, drawn: Any, clock: Clock, slope: Slope) -> Any:
    x = args[0]
    return technique.attack(x, x.cos(), x[0].abs(), drawn)


def mix(technique: HiddenMix, args: Any, drawn: Any, clock: Clock, slope: Slope) -> Any:
    return technique.targets(args[1], drawn), technique.mix(args[0], drawn)


def perturb(technique: Any, args: Any, drawn: Any, clock: Clock, slope: Slope) -> Any:
    noise = technique.branch(0.5) if isinstance(technique, BranchNoise) else technique
    (x,) = args
    return noise.perturb(x, drawn), slope(lambda x: noise.perturb(x, drawn).square().sum(), x)


def wrap(technique: OnGrads, args: Any, drawn: Any, clock: Clock, slope: Slope) -> Any:
    def gradient(weights: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        return sum((w**4).sum() / 4 for w in weights), [w**3 for w in weights]  # type: ignore[return-value]

    return technique.wrap(gradient, drawn, clock)(args[0])


def average(technique: AveragedWeights, args: Any, drawn: Any, clock: Clock, slope: Slope) -> Any:
    (weights,) = args
    state = technique.start(weights)
    for factor in (2.0, -1.0):
        state = technique.update(state, [factor * w for w in weights], clock)
    return technique.weights(state), technique.reset_state(state) if isinstance(technique, ResettingAverage) else state


def term(technique: OnLoss, args: Any, drawn: Any, clock: Clock, slope: Slope) -> Any:
    w, x, y = args
    return technique.term(forward(w, x, y), drawn), slope(lambda w: technique.term(forward(w, x, y), drawn), w)


def penalise(technique: Penalty, args: Any, drawn: Any, clock: Clock, slope: Slope) -> Any:
    (w,) = args
    found = [technique.value(w)]
    if isinstance(technique, QuadraticPenalty):
        found.append(technique.coefficient() * w)
    if isinstance(technique, SmoothPenalty):
        found.append(technique.gradient(w))
    if isinstance(technique, ProximalPenalty):
        rate = w.detach().abs().mean()
        found += [technique.prox(w.clone(), step) for step in (0.1 * rate, 0.1 * rate + w.square())]
    return found


def decay(technique: Decay, args: Any, drawn: Any, clock: Clock, slope: Slope) -> Any:
    (w,) = args
    return technique.factor(w.abs().mean()) * w


def scale(technique: Scaling, args: Any, drawn: Any, clock: Clock, slope: Slope) -> Any:
    (w,) = args
    return technique.scale(torch.linalg.vector_norm(w, dim=technique.axes(w.ndim), keepdim=True))


def project(technique: Projection, args: Any, drawn: Any, clock: Clock, slope: Slope) -> Any:
    (w,) = args
    allowed, state = technique.project(w.clone(), technique.start(w))
    return allowed, technique.project(2 * allowed, state)[0]


ACTING: dict[Any, Callable[..., Any]] = {
    Augmentation: augment,
    BatchTransform: change,
    Attack: attack,
    HiddenMix: mix,
    Noise | BranchNoise | WeightPerturbation: perturb,
    OnGrads: wrap,
    AveragedWeights: average,
    OnLoss: term,
    Penalty: penalise,
    Decay: decay,
    Scaling: scale,
    Projection: project,
}


def by_autograd(cost: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    return torch.autograd.grad(cost(x), x)[0]


def by_func(cost: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return torch.func.grad(cost)(x)  # type: ignore[no-any-return]


# ---- the promises ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "form"), FORMS, ids=[f"{k.name()}{f or ''}" for k, f in FORMS])
def test_members_at_once_are_each_member_alone(kind: type[Technique], form: Values) -> None:
    crowd = members(kind, form)
    for args in zip(*(given(kind, seed) for seed in range(MEMBERS)), strict=True):
        learned = [
            t.initial_values(a[0]) if isinstance(t, TrainableStrengths) else {}
            for t, a in zip(crowd, args, strict=True)
        ]
        drawn = [draw(t, a, torch.Generator().manual_seed(i)) for i, (t, a) in enumerate(zip(crowd, args, strict=True))]
        alone = [
            flat(act(t.with_values(**own), a, d, clock, by_autograd))
            for t, own, a, d, clock in zip(crowd, learned, args, drawn, CLOCKS, strict=True)
        ]

        def one(values: dict[str, Tensor], args: Any, drawn: Any, clock: tuple[Tensor, ...]) -> list[Tensor]:
            told = crowd[0].with_values(**values)
            return flat(act(told, args, drawn, Clock(*clock), by_func))  # type: ignore[arg-type]

        clocks = tuple(torch.tensor([[c.step, c.per_epoch, c.total] for c in CLOCKS], dtype=torch.float64).T)
        values = stacked(crowd) | {n: torch.stack([own[n] for own in learned]) for n in learned[0]}
        together = vmap(one)(values, pile(args), pile(drawn), clocks)
        for number, found in enumerate(together):
            for i in range(MEMBERS):
                torch.testing.assert_close(found[i], alone[i][number], rtol=1e-12, atol=1e-12, equal_nan=False)
            # Where it does nothing it must do so to the bit: runs without it are trained in one program with it.
            if kind.cheap_when_neutral and crowd[0].idle():
                assert torch.equal(found[0], alone[0][number])


@pytest.mark.parametrize("kind", DRAWING, ids=[k.name() for k in DRAWING])
def test_what_is_drawn_depends_on_no_values(kind: type[Technique]) -> None:
    for technique in members(kind, {}):
        for args in given(kind, 1):
            generators = [torch.Generator().manual_seed(0) for _ in range(2)]
            drawn = [draw(technique, a, g) for a, g in zip((args, elsewhere(args)), generators, strict=True)]
            assert len(drawn[0]) == len(drawn[1])
            assert all(torch.equal(a, b) for a, b in zip(*drawn, strict=True))
            assert torch.equal(generators[0].get_state(), generators[1].get_state())


def elsewhere(args: Any) -> Any:
    """Other values of the same shapes and dtypes."""
    if isinstance(args, Tensor):
        return 50 - 10 * args if args.is_floating_point() else args.flip(0)
    return type(args)(elsewhere(part) for part in args)


def flat(found: Any) -> list[Tensor]:
    """The tensors of nested tuples and lists, one after another."""
    return [found] if isinstance(found, Tensor) else [tensor for part in found for tensor in flat(part)]


def pile(parts: Sequence[Any]) -> Any:
    """Members' tensors, in the same tuples and lists each, stacked: (member, …)."""
    if isinstance(parts[0], Tensor):
        return torch.stack(list(parts))
    return type(parts[0])(pile(same) for same in zip(*parts, strict=True))
