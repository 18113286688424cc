"""The hooks by which techniques act inside a network: plain records, so that a copy of it gets a source of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from goodfit import surgery
from goodfit.stages import BranchNoise, Draw, HiddenMix, Noise, Recurrent, Scheduled, WeightPerturbation
from goodfit.technique import Technique

T = TypeVar("T", bound=Technique)
LearnedStrengths = dict[str, Tensor]
"""Knob → learned tensor."""


@dataclass(frozen=True)
class ForwardRecord:
    """What went into a network and what came out of it."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    output: Tensor

    @property
    def x(self) -> Any:
        """The first input."""
        return next(iter((*self.args, *self.kwargs.values())))


@dataclass
class StepContext:
    """What the hooks need to know of the moment; they are silent as long as there is no generator."""

    eager: ClassVar[bool] = True
    """Whether values may be looked at while a step is computed."""

    generator: torch.Generator | None = None
    done: float = 0.0  # share of training that lies behind, for scheduled strengths
    mixes: dict[int, tuple[Tensor | int, Draw]] = field(default_factory=dict)  # technique's number → layer's, draw
    seen: dict[int, list[Tensor]] | None = None  # watcher's number → inputs of its layers; None: not recorded
    passed: ForwardRecord | None = None  # the last forward pass, where a `ForwardRecorder` notes it

    def now(self, technique: T, place: str, learned: LearnedStrengths | None = None) -> T:
        """A technique as strong as it is at this moment, at one of the places where it acts."""
        technique = technique.with_values(**learned) if learned else technique
        return technique.at(self.done) if isinstance(technique, Scheduled) else technique

    def draw(self, technique: Any, place: str, *like: Any) -> Draw:
        """The random numbers of a technique at a place, for what is like the arguments of its `draw`."""
        drawn: Draw = technique.draw(*like, self.generator)
        return drawn

    def mix(self, technique: HiddenMix, place: str, layers: int, x: Tensor, y: Tensor) -> tuple[Tensor | int, Draw]:
        """The number of the layer at which the rows of a batch are mixed, and the random numbers for it."""
        drawn = self.draw(technique, place, x, y)
        return technique.layer_index(drawn, layers), drawn

    def __getstate__(self) -> dict[str, Any]:
        """A copy of a network is silent: it has nothing of this one's moment."""
        return {"generator": None, "done": 0.0, "mixes": {}, "seen": None, "passed": None}


@dataclass(frozen=True)
class NoiseHook:
    """A noise on a layer's input, or on a residual branch's output."""

    noise: Noise | BranchNoise
    source: StepContext
    learned: LearnedStrengths
    place: str

    def __call__(self, module: nn.Module, x: Tensor) -> Tensor:
        """The perturbed tensor in training, the tensor itself otherwise."""
        if self.source.generator is None or not module.training:
            return x
        noise = self.source.now(self.noise, self.place, self.learned)
        return noise.perturb(x, self.source.draw(noise, self.place, x))


@dataclass(frozen=True)
class WeightNoiseHook:
    """A noise on some of a layer's weights, for the length of one forward pass."""

    noise: WeightPerturbation
    source: StepContext
    tensors: tuple[tuple[str, LearnedStrengths, str], ...]  # name in the layer, learned strengths, site

    def __call__(self, layer: nn.Module, plain: surgery.Forward, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The layer's output with perturbed weights in training, with its own otherwise."""
        if self.source.generator is None or not layer.training:
            return plain(*args, **kwargs)
        moved = {}
        for name, learned, place in self.tensors:
            w, noise = _held(layer, name), self.source.now(self.noise, place, learned)
            moved[name] = noise.perturb(w, self.source.draw(noise, place, w))
        with surgery.replace_parameters(layer, moved):
            return plain(*args, **kwargs)


def _held(layer: nn.Module, name: str) -> Tensor:
    """What a layer computes with now: its parameter, or what another noise has put in its place."""
    path, _, own = name.rpartition(".")
    tensor = layer.get_submodule(path)._parameters[own]
    assert tensor is not None
    return tensor


@dataclass(frozen=True)
class RecurrentHook:
    """Techniques at every time step of a recurrent layer."""

    techniques: tuple[Recurrent, ...]
    source: StepContext

    def __call__(self, layer: nn.Module, plain: surgery.Forward, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The layer's outputs, computed step by step where a technique acts."""
        generator = self.source.generator
        if generator is not None and layer.training:
            steps = [_Steps(t.at(self.source.done), generator) for t in self.techniques]
        else:  # a strength that changes is evaluated as it is at the end of training
            expecting = () if layer.training else (t for t in self.techniques if t.acts_in_eval)
            steps = [_Steps(t.at(1.0), None) for t in expecting]
        if not steps:
            return plain(*args, **kwargs)
        x, hx = args[0] if args else kwargs["input"], args[1] if len(args) > 1 else kwargs.get("hx")
        return surgery.unroll(layer, x, hx, *steps)  # type: ignore[arg-type]


@dataclass
class _Steps:
    """A technique as the steps of one pass; in evaluation (no generator) its expectation."""

    technique: Recurrent
    generator: torch.Generator | None
    drawn: Draw = ()

    def inputs(self, x: Tensor, h: Tensor) -> Tensor:
        """The sequence (time, batch, features) that one layer and direction sees; h is like its state."""
        if self.generator is None:
            return x
        self.drawn = self.technique.draw(x, h, self.generator)
        return self.technique.transform_input(x, self.drawn)

    def hidden(self, h: Tensor) -> Tensor:
        """The hidden state that enters the recurrent product."""
        return h if self.generator is None else self.technique.transform_hidden(h, self.drawn)

    def state(self, new: Tensor, old: Tensor, cell: bool, time: int) -> Tensor:
        """The state after a time step."""
        if self.generator is None:
            return self.technique.expected_state(new, old, cell)
        return self.technique.next_state(new, old, cell, time, self.drawn)


@dataclass(frozen=True)
class HiddenMixHook:
    """Mixes the rows of a batch at one layer, in those batches in which this layer was drawn."""

    technique: HiddenMix
    source: StepContext
    number: int  # of the technique
    layer: int

    def __call__(self, module: nn.Module, x: Tensor) -> Tensor:
        """The mixed input, or the input itself."""
        layer, draw = self.source.mixes.get(self.number, (-1, ()))
        if not module.training or (not isinstance(layer, Tensor) and layer != self.layer):
            return x
        mixed = self.source.now(self.technique, f"mix {self.number}").mix(x, draw)
        return torch.where(layer == self.layer, mixed, x) if isinstance(layer, Tensor) else mixed


@dataclass(frozen=True)
class ActivationRecorder:
    """Notes what flows into a layer, for a term of the loss."""

    source: StepContext
    watcher: int

    def __call__(self, module: nn.Module, x: Tensor) -> Tensor:
        """The input itself."""
        if self.source.seen is not None and module.training:
            self.source.seen.setdefault(self.watcher, []).append(x)
        return x


@dataclass(frozen=True)
class ForwardRecorder:
    """Notes a network's forward passes in training, for terms of the loss in a loop of the user's own."""

    source: StepContext

    def __call__(self, network: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        """Note the pass."""
        if self.source.generator is not None and network.training and isinstance(output, Tensor):
            self.source.passed = ForwardRecord(args, kwargs, output)


class RebindInput(nn.Module):
    """A network as a function of its first input, the others being those of an earlier pass."""

    def __init__(self, network: nn.Module, passed: ForwardRecord) -> None:
        super().__init__()
        self.network = network
        self.passed = passed

    def forward(self, x: Tensor) -> Any:
        """The network's output."""
        if self.passed.args:
            return self.network(x, *self.passed.args[1:], **self.passed.kwargs)
        return self.network(**self.passed.kwargs | {next(iter(self.passed.kwargs)): x})
