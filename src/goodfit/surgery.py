"""Looking into a user's network and hooking onto it; knows nothing of techniques."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.utils.hooks import RemovableHandle

from goodfit.errors import InputError, near

WEIGHTED: tuple[type[nn.Module], ...] = (
    nn.Linear,
    nn.Bilinear,
    _ConvNd,
    nn.Embedding,
    nn.EmbeddingBag,
    nn.RNNBase,
    nn.RNNCellBase,
    nn.MultiheadAttention,
)
NORMS: tuple[type[nn.Module], ...] = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.LocalResponseNorm)
KINDS = ("kernel", "bias", "norm", "other")


@dataclass(frozen=True, eq=False)
class Slot:
    """One weight tensor of a network and what it is."""

    name: str
    tensor: nn.Parameter
    kind: str  # kernel, bias, norm (scale and shift of a normalisation), other
    layer: str
    module: nn.Module

    @property
    def unit(self) -> int:
        """The dimension that counts the units which the weights flow into (rows of a Linear, filters, …)."""
        transposed = isinstance(self.module, _ConvTransposeNd) and self.module.groups == 1
        return 1 if transposed and self.tensor.ndim > 1 else 0


def kind_of(module: nn.Module, parameter: str) -> str:
    """What a parameter is, by the type of its module; names of modules play no part.

    >>> kind_of(nn.Linear(2, 2), "weight"), kind_of(nn.LayerNorm(2), "weight"), kind_of(nn.LSTM(2, 2), "bias_hh_l0")
    ('kernel', 'norm', 'bias')
    """
    if isinstance(module, NORMS):
        return "norm"
    if isinstance(module, WEIGHTED):
        return "bias" if "bias" in parameter else "kernel"
    return "other"


def slots(model: nn.Module) -> list[Slot]:
    """Every weight tensor once (a tied one under its first name), in the order of registration."""
    first: dict[int, Slot] = {}
    for slot in _places(model):
        first.setdefault(id(slot.tensor), slot)
    return list(first.values())


def _places(model: nn.Module) -> Iterator[Slot]:
    """Every place of a weight tensor: a tied one has several."""
    for layer, module in model.named_modules():
        for name, tensor in module.named_parameters(recurse=False):
            yield Slot(f"{layer}.{name}" if layer else name, tensor, kind_of(module, name), layer, module)


@dataclass(frozen=True)
class Selector:
    """A parsed selector: kinds, module types and globs; a tensor must match one of each that is given."""

    kinds: tuple[str, ...]
    types: tuple[str, ...]
    globs: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Selector:
        """Words separated by blanks: kinds, type names (capital first letter), and globs on names."""
        words = text.split()
        kinds = tuple(w for w in words if w in KINDS)
        types = tuple(w for w in words if w not in KINDS and w[:1].isupper() and "." not in w)
        globs = tuple(w for w in words if w not in KINDS and w not in types)
        return cls(kinds or ("kernel",), types, globs)

    def matches(self, slot: Slot) -> bool:
        """Whether a tensor is chosen."""
        names = (slot.name, slot.layer)
        return (
            slot.kind in self.kinds
            and (not self.types or any(t in self.types for t in _type_names(slot.module)))
            and (not self.globs or any(fnmatch.fnmatchcase(n, g) for g in self.globs for n in names))
        )


def _type_names(module: nn.Module) -> Iterator[str]:
    return (base.__name__ for base in type(module).__mro__)


def select(model: nn.Module, on: str, who: str = "selector") -> list[Slot]:
    """The tensors that a selector chooses, a tied one by any of its names; none is an error that lists near names.

    >>> [slot.name for slot in select(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)), "kernel 2")]
    ['2.weight']
    """
    selector, every = Selector.parse(on), list(_places(model))
    hit = {id(slot.tensor) for slot in every if selector.matches(slot)}
    if not hit:
        names = {s.name for s in every} | {s.layer for s in every if s.layer} | {type(s.module).__name__ for s in every}
        hint = near(on.split()[-1] if on.split() else "", names)
        raise InputError(f"{who}: on must match a weight tensor of the network, got on={on!r}.{hint}")
    return [slot for slot in slots(model) if id(slot.tensor) in hit]


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer with weights and its place among them, in the order of registration."""

    name: str
    module: nn.Module
    first: bool
    last: bool


def layers(model: nn.Module, on: str, who: str = "selector") -> list[Layer]:
    """The layers whose tensors a selector chooses; `first` and `last` are told among all layers with weights."""
    # The output projection of torch's attention is part of that layer: its hooks would not run.
    inner = {id(m.out_proj) for m in model.modules() if isinstance(m, nn.MultiheadAttention)}
    every = [(n, m) for n, m in model.named_modules() if isinstance(m, WEIGHTED) and id(m) not in inner]
    select(model, on, who)
    chosen = {id(slot.module) for slot in _places(model) if Selector.parse(on).matches(slot)}
    end = len(every) - 1
    return [Layer(n, m, i == 0, i == end) for i, (n, m) in enumerate(every) if id(m) in chosen]


def features(module: nn.Module) -> tuple[int, int] | None:
    """Output features and spatial dimensions of a linear or convolution layer; None for other layers."""
    if isinstance(module, nn.Linear):
        return module.out_features, 0
    if isinstance(module, _ConvNd):
        return module.out_channels, module.weight.ndim - 2
    return None


@dataclass(frozen=True)
class ChangeInput:
    """The hook in front of a layer: replaces the first input where that is a tensor of floats."""

    change: Callable[[nn.Module, Tensor], Tensor]

    def __call__(self, layer: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """The layer's new inputs, or None where there is nothing to change."""
        if not args or not isinstance(args[0], Tensor) or not args[0].is_floating_point():
            return None
        return (self.change(layer, args[0]), *args[1:])


def change_input(module: nn.Module, change: Callable[[nn.Module, Tensor], Tensor]) -> RemovableHandle:
    """Let `change(module, x)` replace the first input of a layer."""
    return module.register_forward_pre_hook(ChangeInput(change))


@dataclass(frozen=True)
class PassOn:
    """The forward hook of an appended layer: a plain record, so that the network can be copied and pickled."""

    name: str

    def __call__(self, layer: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        """The layer's output, passed through the appended layer."""
        return layer.get_submodule(self.name)(output)  # type: ignore[no-any-return]


def append_layer(module: nn.Module, name: str, added: nn.Module) -> RemovableHandle:
    """Register `added` under `name` within a layer and let the layer's output pass through it."""
    module.add_module(name, added)
    return module.register_forward_hook(PassOn(name))


def has_batch_norm(model: nn.Module) -> bool:
    """Whether any layer keeps running statistics of batches."""
    return any(isinstance(m, _NormBase) and m.running_mean is not None for m in model.modules())
