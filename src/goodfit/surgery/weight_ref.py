"""References to weight tensors: what kind of weight each tensor is, and how a selector matches them."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import _WeightNorm
from torch.nn.utils.weight_norm import WeightNorm

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
"""torch's layers with weights."""
NORMS: tuple[type[nn.Module], ...] = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.LocalResponseNorm)
WEIGHT_KINDS = ("kernel", "bias", "norm", "other")
ENDS = ("first", "last")
DIRECT, MAGNITUDE, COMPONENT = "direct", "magnitude", "component"
"""Roles of a tensor: the weight itself; the magnitudes of a weight-normalized layer; another tensor from which a
parametrization computes the weight."""


@dataclass(frozen=True, eq=False)
class WeightRef:
    """A weight tensor of a network, with its layer, kind and role."""

    name: str
    tensor: nn.Parameter
    kind: str  # kernel, bias, norm (scale or shift of a normalization) or other
    layer: str
    module: nn.Module
    role: str = DIRECT

    def blocks(self, like: Tensor | None = None) -> list[Tensor]:
        """Views of the tensor, or of another one of its shape, with units first: (units, inputs, …).

        Usually one view; one for each gate of a recurrent layer and for each group of a transposed convolution.
        """
        return units_first(self.module, self.tensor if like is None else like)


def units_first(module: nn.Module, w: Tensor) -> list[Tensor]:
    """Views of a layer's weight with the units in the first dimension.

    >>> [tuple(v.shape) for v in units_first(nn.ConvTranspose2d(4, 6, 3, groups=2), nn.Parameter(Tensor(4, 3, 3, 3)))]
    [(3, 2, 3, 3), (3, 2, 3, 3)]
    """
    if isinstance(module, _ConvTransposeNd) and w.ndim > 2:
        return [part.transpose(0, 1) for part in w.chunk(module.groups)]
    gates = {nn.LSTM: 4, nn.GRU: 3, nn.LSTMCell: 4, nn.GRUCell: 3}
    for kind, count in gates.items():
        # The projection of an LSTM (proj_size) has no gates.
        if isinstance(module, kind) and len(w) == count * module.hidden_size:  # type: ignore[operator]
            return list(w.chunk(count))
    if isinstance(module, nn.MultiheadAttention) and len(w) == 3 * module.embed_dim:
        return list(w.chunk(3))
    return [w]


def weight_kind(module: nn.Module, parameter: str) -> str:
    """The kind of a parameter, by the type of its module; the names of modules do not matter.

    >>> weight_kind(nn.Linear(2, 2), "weight"), weight_kind(nn.LayerNorm(2), "weight")
    ('kernel', 'norm')
    >>> weight_kind(nn.LSTM(2, 2), "bias_hh_l0")
    'bias'
    """
    if isinstance(module, NORMS):
        return "norm"
    if isinstance(module, WEIGHTED):
        return "bias" if "bias" in parameter else "kernel"
    return "other"


def weight_refs(model: nn.Module) -> list[WeightRef]:
    """All weight tensors in the order of registration; a tied tensor appears once, under its first name."""
    first: dict[int, WeightRef] = {}
    for ref in named_refs(model):
        first.setdefault(id(ref.tensor), ref)
    return list(first.values())


def named_refs(model: nn.Module) -> Iterator[WeightRef]:
    """All weight tensors by name; a tied tensor appears once for each of its names."""
    for layer, module in model.named_modules():
        if isinstance(module, parametrize.ParametrizationList):
            continue  # listed with the layer it belongs to
        yield from _module_refs(layer, module)


def _module_refs(layer: str, module: nn.Module) -> Iterator[WeightRef]:
    prefix = f"{layer}." if layer else ""
    normed = {hook.name for hook in module._forward_pre_hooks.values() if isinstance(hook, WeightNorm)}
    for name, tensor in module.named_parameters(recurse=False):
        role = DIRECT
        if name[:-2] in normed:
            role = MAGNITUDE if name.endswith("_g") else COMPONENT
        kind = "other" if role == COMPONENT else weight_kind(module, name)
        yield WeightRef(prefix + name, tensor, kind, layer, module, role)
    if parametrize.is_parametrized(module):
        for name, parametrization in module.parametrizations.items():  # type: ignore[union-attr,operator]
            weight_norm = len(parametrization) == 1 and isinstance(parametrization[0], _WeightNorm)
            for part, tensor in parametrization.named_parameters():
                role = MAGNITUDE if weight_norm and part == "original0" else COMPONENT
                kind = "other" if role == COMPONENT else weight_kind(module, name)
                yield WeightRef(f"{prefix}parametrizations.{name}.{part}", tensor, kind, layer, module, role)


def ordered_layers(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The layers with weights by name, in the order of registration.

    The output projection of torch's attention counts as a part of the attention, because its forward pass never runs.
    """
    inner = {id(m.out_proj) for m in model.modules() if isinstance(m, nn.MultiheadAttention)}
    return [(n, m) for n, m in model.named_modules() if isinstance(m, WEIGHTED) and id(m) not in inner]


@dataclass(frozen=True)
class Selector:
    """A parsed selector.

    A tensor must have one of the kinds, one of the types if there are any, and one of the names if there are any; and
    it must match no excluded word and be in no excluded layer.
    """

    kinds: tuple[str, ...]
    types: tuple[str, ...]
    globs: tuple[str, ...]
    excluded: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()  # exact names, of the layers that `first` and `last` mean
    excluded_layers: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str, model: nn.Module) -> Selector:
        """Parse words separated by spaces. `first` and `last` are the network's outermost layers; `!` excludes."""
        words = text.split()
        ends = _end_layers(model) if any(word.lstrip("!") in ENDS for word in words) else {}
        layers, included = _split_ends([w for w in words if not w.startswith("!")], ends)
        excluded_layers, excluded = _split_ends([w[1:] for w in words if w.startswith("!")], ends)
        kinds = tuple(w for w in included if w in WEIGHT_KINDS)
        types = tuple(w for w in included if is_type(w))
        globs = tuple(w for w in included if w not in WEIGHT_KINDS and not is_type(w))
        return cls(kinds or ("kernel",), types, globs, excluded, layers, excluded_layers)

    def matches(self, ref: WeightRef) -> bool:
        """Whether the selector matches a tensor."""
        return (
            ref.kind in self.kinds
            and (not self.types or any(t in type_names(ref.module) for t in self.types))
            and (not (self.globs or self.layers) or ref.layer in self.layers or _has_name(ref, self.globs))
            and ref.layer not in self.excluded_layers
            and not any(w == ref.kind or w in type_names(ref.module) for w in self.excluded)
            and not _has_name(ref, self.excluded)
        )


def _end_layers(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """`first` and `last` → the names of the network's first or last layer and of its parts; empty without layers."""
    layers = ordered_layers(model)
    if not layers:
        return {}
    return {end: _with_projection(*layer) for end, layer in zip(ENDS, (layers[0], layers[-1]), strict=True)}


def _with_projection(name: str, module: nn.Module) -> tuple[str, ...]:
    """The name of a layer; for attention also that of its output projection, which is a part of it."""
    return (name, f"{name}.out_proj".lstrip(".")) if isinstance(module, nn.MultiheadAttention) else (name,)


def _split_ends(words: list[str], ends: dict[str, tuple[str, ...]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the layers that `first` and `last` mean, and the other words."""
    return tuple(name for w in words for name in ends.get(w, ())), tuple(w for w in words if w not in ends)


def _has_name(ref: WeightRef, globs: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, glob) for name in (ref.name, ref.layer) for glob in globs)


def is_type(word: str) -> bool:
    """Whether a word of a selector is the name of a module type (Linear) rather than a glob or a kind."""
    return word[:1].isupper() and "." not in word


def type_names(module: nn.Module) -> list[str]:
    """The names of a module's type and of its base classes."""
    return [base.__name__ for base in type(module).__mro__]


def matching_refs(model: nn.Module, on: str, who: str) -> list[WeightRef]:
    """The tensors that a selector matches, by any of their names.

    Raises:
        InputError: the selector matches nothing; the message suggests similar names.
    """
    selector, every = Selector.parse(on, model), list(named_refs(model))
    matching = [ref for ref in every if selector.matches(ref)]
    if not matching:
        names = {s.name for s in every} | {s.layer for s in every if s.layer} | {type(s.module).__name__ for s in every}
        hint = near(on.split()[-1] if on.split() else "", names)
        raise InputError(f"{who}: on must match a weight tensor of the network, got on={on!r}.{hint}")
    return matching


def select(model: nn.Module, on: str, who: str = "selector") -> list[WeightRef]:
    """The tensors that a selector matches; a tied tensor appears once, whichever of its names matches.

    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> [ref.name for ref in select(net, "kernel 2")], [ref.name for ref in select(net, "kernel bias !last")]
    (['2.weight'], ['0.weight', '0.bias'])

    Raises:
        InputError: the selector matches nothing; the message suggests similar names.
    """
    matching = {id(ref.tensor) for ref in matching_refs(model, on, who)}
    return [ref for ref in weight_refs(model) if id(ref.tensor) in matching]
