"""The hooks by which techniques act inside a network, and the context in which they run.

Hooks are plain records: a copy of a network gets its own context, which is inactive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from goodfit import surgery
from goodfit.stages import BranchNoise, Draw, HiddenMix, Noise, Recurrent, Scheduled, WeightPerturbation
from goodfit.technique import Technique

T = TypeVar("T", bound=Technique)
LearnedStrengths = dict[str, Tensor]
"""Knob → learned tensor."""


class SiteKey(NamedTuple):
    """Identifies a site: a place where one technique of a recipe acts."""

    stage: str
    number: int  # of the technique, among those of its stage in the recipe
    where: str = ""  # name of the layer or tensor, for techniques inside the network


@dataclass(frozen=True)
class ForwardRecord:
    """The inputs and the output of a forward pass."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    output: Tensor

    @property
    def x(self) -> Any:
        """The first input."""
        return next(iter((*self.args, *self.kwargs.values())))


@dataclass
class StepContext:
    """The state of the current step that techniques depend on. Hooks are inactive while `generator` is None."""

    eager: ClassVar[bool] = True
    """Whether the step may branch on the values of tensors."""

    generator: torch.Generator | None = None
    progress: float = 0.0  # share of training completed, for scheduled strengths
    hidden_mixes: dict[int, tuple[Tensor | int, Draw]] = field(default_factory=dict)
    """Number of a HiddenMix technique → the layer at which it acts in this batch, and its random numbers."""
    activations: dict[int, list[Tensor]] | None = None
    """Number of an OnLoss technique → the inputs of its layers; None: not recorded."""
    forward_record: ForwardRecord | None = None  # the last forward pass, if a `ForwardRecorder` records it

    def resolve(self, technique: T, site: SiteKey, learned: LearnedStrengths | None = None) -> T:
        """The technique with the strengths that it has in this step at a site."""
        technique = technique.with_values(**learned) if learned else technique
        return technique.at(self.progress) if isinstance(technique, Scheduled) else technique

    def draw(self, technique: Any, site: SiteKey, *like: Any) -> Draw:
        """The random numbers of a technique at a site; `like`: the arguments of its `draw`."""
        draw: Draw = technique.draw(*like, self.generator)
        return draw

    def draw_mix(self, technique: HiddenMix, site: SiteKey, layers: int, x: Tensor, y: Tensor) -> tuple[Any, Draw]:
        """The number of the layer at which the samples of a batch are mixed, and the random numbers for it."""
        draw = self.draw(technique, site, x, y)
        return technique.layer_index(draw, layers), draw

    def __getstate__(self) -> dict[str, Any]:
        """The context of a copied network is inactive."""
        return dict(self.__class__().__dict__)


@dataclass(frozen=True)
class NoiseHook:
    """Perturbs a layer's input, or a residual branch's output."""

    noise: Noise | BranchNoise
    context: StepContext
    learned: LearnedStrengths
    site: SiteKey

    def __call__(self, module: nn.Module, x: Tensor) -> Tensor:
        """The perturbed tensor in training; in evaluation the tensor itself."""
        if self.context.generator is None or not module.training:
            return x
        noise = self.context.resolve(self.noise, self.site, self.learned)
        return noise.perturb(x, self.context.draw(noise, self.site, x))


@dataclass(frozen=True)
class WeightNoiseHook:
    """Perturbs some of a layer's weights during its forward pass."""

    noise: WeightPerturbation
    context: StepContext
    tensors: tuple[tuple[str, LearnedStrengths, SiteKey], ...]  # name in the layer, learned strengths, site

    def __call__(
        self, layer: nn.Module, forward: surgery.Forward, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """The layer's output, in training with perturbed weights."""
        if self.context.generator is None or not layer.training:
            return forward(*args, **kwargs)
        perturbed = {}
        for name, learned, site in self.tensors:
            w, noise = _current_weight(layer, name), self.context.resolve(self.noise, site, learned)
            perturbed[name] = noise.perturb(w, self.context.draw(noise, site, w))
        with surgery.replace_parameters(layer, perturbed):
            return forward(*args, **kwargs)


def _current_weight(layer: nn.Module, name: str) -> Tensor:
    """The layer's parameter, or the tensor by which another noise has replaced it."""
    path, _, parameter = name.rpartition(".")
    tensor = layer.get_submodule(path)._parameters[parameter]
    assert tensor is not None
    return tensor


@dataclass(frozen=True)
class RecurrentHook:
    """Applies techniques at every time step of a recurrent layer."""

    techniques: tuple[Recurrent, ...]
    context: StepContext

    def __call__(
        self, layer: nn.Module, forward: surgery.Forward, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """The layer's outputs, computed time step by time step where a technique acts."""
        generator = self.context.generator
        if generator is not None and layer.training:
            hooks = [_RecurrentStep(t.at(self.context.progress), generator) for t in self.techniques]
        else:  # evaluation uses the strengths at the end of training
            expected = () if layer.training else (t for t in self.techniques if t.acts_in_eval)
            hooks = [_RecurrentStep(t.at(1.0), None) for t in expected]
        if not hooks:
            return forward(*args, **kwargs)
        x, hx = args[0] if args else kwargs["input"], args[1] if len(args) > 1 else kwargs.get("hx")
        return surgery.unroll(layer, x, hx, *hooks)  # type: ignore[arg-type]


@dataclass
class _RecurrentStep:
    """A technique in one pass of a recurrent layer; in evaluation (no generator) its expectation."""

    technique: Recurrent
    generator: torch.Generator | None
    draw: Draw = ()

    def inputs(self, x: Tensor, h: Tensor) -> Tensor:
        """The input sequence (time, batch, features) of a layer and direction; h (batch, hidden) is like its state."""
        if self.generator is None:
            return x
        self.draw = self.technique.draw(x, h, self.generator)
        return self.technique.transform_input(x, self.draw)

    def hidden(self, h: Tensor) -> Tensor:
        """The hidden state that enters the recurrent product."""
        return h if self.generator is None else self.technique.transform_hidden(h, self.draw)

    def state(self, new: Tensor, old: Tensor, cell: bool, time: int) -> Tensor:
        """The state after a time step."""
        if self.generator is None:
            return self.technique.expected_state(new, old, cell)
        return self.technique.next_state(new, old, cell, time, self.draw)


@dataclass(frozen=True)
class HiddenMixHook:
    """Mixes the samples of a batch at one layer, in those batches for which this layer was drawn."""

    technique: HiddenMix
    context: StepContext
    number: int  # of the technique
    layer: int

    def __call__(self, module: nn.Module, x: Tensor) -> Tensor:
        """The mixed input, or the input itself."""
        layer, draw = self.context.hidden_mixes.get(self.number, (-1, ()))
        if not module.training or (not isinstance(layer, Tensor) and layer != self.layer):
            return x
        mixed = self.context.resolve(self.technique, SiteKey("mix", self.number)).mix(x, draw)
        return torch.where(layer == self.layer, mixed, x) if isinstance(layer, Tensor) else mixed


@dataclass(frozen=True)
class ActivationRecorder:
    """Records the input of a layer for a term of the loss."""

    context: StepContext
    number: int  # of the OnLoss technique

    def __call__(self, module: nn.Module, x: Tensor) -> Tensor:
        """The input itself."""
        if self.context.activations is not None and module.training:
            self.context.activations.setdefault(self.number, []).append(x)
        return x


@dataclass(frozen=True)
class ForwardRecorder:
    """Records a network's forward passes in training, for terms of the loss in the user's own loop."""

    context: StepContext

    def __call__(self, network: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        """Record the pass."""
        if self.context.generator is not None and network.training and isinstance(output, Tensor):
            self.context.forward_record = ForwardRecord(args, kwargs, output)


class RebindInput(nn.Module):
    """A network as a function of its first input; the other inputs are those of a recorded pass."""

    def __init__(self, network: nn.Module, record: ForwardRecord) -> None:
        super().__init__()
        self.network = network
        self.record = record

    def forward(self, x: Tensor) -> Any:
        """The network's output."""
        if self.record.args:
            return self.network(x, *self.record.args[1:], **self.record.kwargs)
        return self.network(**self.record.kwargs | {next(iter(self.record.kwargs)): x})
