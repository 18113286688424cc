"""Weight tensors: what each one is, and how a selector chooses some of them."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
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
NORMS: tuple[type[nn.Module], ...] = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.LocalResponseNorm)
WEIGHT_KINDS = ("kernel", "bias", "norm", "other")
ENDS = ("first", "last")
DIRECT, MAGNITUDE, COMPONENT = "direct", "magnitude", "component"
"""Roles: the weight itself; the norms of a weight-normed layer's units; part of another reparametrisation."""


@dataclass(frozen=True, eq=False)
class WeightRef:
    """One weight tensor of a network and what it is."""

    name: str
    tensor: nn.Parameter
    kind: str  # kernel, bias, norm (scale and shift of a normalisation), other
    layer: str
    module: nn.Module
    role: str = DIRECT

    def blocks(self, like: Tensor | None = None) -> list[Tensor]:
        """Views of the tensor (or of one of its shape) with the units first: (units, incoming, …).

        One view; the gates of a recurrent layer, and the groups of a transposed convolution, apart.
        """
        return units_first(self.module, self.tensor if like is None else like)


def units_first(module: nn.Module, w: Tensor) -> list[Tensor]:
    """Views of a layer's weight with the units first.

    >>> [tuple(v.shape) for v in units_first(nn.ConvTranspose2d(4, 6, 3, groups=2), nn.Parameter(Tensor(4, 3, 3, 3)))]
    [(3, 2, 3, 3), (3, 2, 3, 3)]
    """
    if isinstance(module, _ConvTransposeNd) and w.ndim > 2:
        return [part.transpose(0, 1) for part in w.chunk(module.groups)]
    gates = {nn.LSTM: 4, nn.GRU: 3, nn.LSTMCell: 4, nn.GRUCell: 3}
    for kind, count in gates.items():
        if isinstance(module, kind) and len(w) % count == 0:
            return list(w.chunk(count))
    if isinstance(module, nn.MultiheadAttention) and len(w) == 3 * module.embed_dim:
        return list(w.chunk(3))
    return [w]


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


def weight_refs(model: nn.Module) -> list[WeightRef]:
    """Every weight tensor once (a tied one under its first name), in the order of registration."""
    first: dict[int, WeightRef] = {}
    for ref in places(model):
        first.setdefault(id(ref.tensor), ref)
    return list(first.values())


def places(model: nn.Module) -> Iterator[WeightRef]:
    """Every place of a weight tensor: a tied one has several."""
    for layer, module in model.named_modules():
        if isinstance(module, parametrize.ParametrizationList):
            continue  # listed with the layer that it belongs to
        yield from _own(layer, module)


def _own(layer: str, module: nn.Module) -> Iterator[WeightRef]:
    prefix = f"{layer}." if layer else ""
    normed = {hook.name for hook in module._forward_pre_hooks.values() if isinstance(hook, WeightNorm)}
    for name, tensor in module.named_parameters(recurse=False):
        role = DIRECT
        if name[:-2] in normed:
            role = MAGNITUDE if name.endswith("_g") else COMPONENT
        kind = "other" if role == COMPONENT else kind_of(module, name)
        yield WeightRef(prefix + name, tensor, kind, layer, module, role)
    if parametrize.is_parametrized(module):
        for name, made in module.parametrizations.items():  # type: ignore[union-attr,operator]
            weight_norm = len(made) == 1 and isinstance(made[0], _WeightNorm)
            for part, tensor in made.named_parameters():
                role = MAGNITUDE if weight_norm and part == "original0" else COMPONENT
                kind = "other" if role == COMPONENT else kind_of(module, name)
                yield WeightRef(f"{prefix}parametrizations.{name}.{part}", tensor, kind, layer, module, role)


def ordered_layers(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The layers with weights, in the order of registration.

    The output projection of torch's attention is part of that layer: its own forward pass does not run.
    """
    inner = {id(m.out_proj) for m in model.modules() if isinstance(m, nn.MultiheadAttention)}
    return [(n, m) for n, m in model.named_modules() if isinstance(m, WEIGHTED) and id(m) not in inner]


@dataclass(frozen=True)
class Selector:
    """A parsed selector: kinds, module types and globs; a tensor must match one of each that is given."""

    kinds: tuple[str, ...]
    types: tuple[str, ...]
    globs: tuple[str, ...]
    without: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str, model: nn.Module) -> Selector:
        """Words separated by blanks; `first` and `last` stand for the network's layers there, `!` excludes."""
        words = text.split()
        if any(word.lstrip("!") in ENDS for word in words):
            found = ordered_layers(model)
            ends = {"first": found[0][0], "last": found[-1][0]} if found else {}
            words = ["!" * w.startswith("!") + ends.get(w.lstrip("!"), w.lstrip("!")) for w in words]
        chosen = [w for w in words if not w.startswith("!")]
        kinds = tuple(w for w in chosen if w in WEIGHT_KINDS)
        types = tuple(w for w in chosen if _is_type(w))
        globs = tuple(w for w in chosen if w not in WEIGHT_KINDS and not _is_type(w))
        return cls(kinds or ("kernel",), types, globs, tuple(w[1:] for w in words if w.startswith("!")))

    def matches(self, ref: WeightRef) -> bool:
        """Whether a tensor is chosen."""
        return (
            ref.kind in self.kinds
            and (not self.types or any(t in self.types for t in _type_names(ref.module)))
            and (not self.globs or any(_named(ref, g) for g in self.globs))
            and not any(w == ref.kind or w in _type_names(ref.module) or _named(ref, w) for w in self.without)
        )


def _is_type(word: str) -> bool:
    return word[:1].isupper() and "." not in word


def _named(ref: WeightRef, glob: str) -> bool:
    return any(fnmatch.fnmatchcase(name, glob) for name in (ref.name, ref.layer))


def _type_names(module: nn.Module) -> Iterator[str]:
    return (base.__name__ for base in type(module).__mro__)


def chosen_places(model: nn.Module, on: str, who: str) -> list[WeightRef]:
    """Every place that a selector chooses; none is an error that lists near names."""
    selector, every = Selector.parse(on, model), list(places(model))
    hit = [ref for ref in every if selector.matches(ref)]
    if not hit:
        names = {s.name for s in every} | {s.layer for s in every if s.layer} | {type(s.module).__name__ for s in every}
        hint = near(on.split()[-1] if on.split() else "", names)
        raise InputError(f"{who}: on must match a weight tensor of the network, got on={on!r}.{hint}")
    return hit


def select(model: nn.Module, on: str, who: str = "selector") -> list[WeightRef]:
    """The tensors that a selector chooses, a tied one by any of its names; none is an error that lists near names.

    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> [ref.name for ref in select(net, "kernel 2")], [ref.name for ref in select(net, "kernel bias !last")]
    (['2.weight'], ['0.weight', '0.bias'])
    """
    hit = {id(ref.tensor) for ref in chosen_places(model, on, who)}
    return [ref for ref in weight_refs(model) if id(ref.tensor) in hit]
