"""What a sample passes on its way through a network, in the order in which the modules were registered.

That order is the one of computation in `nn.Sequential` and in most networks, but nothing makes it so: the rules that
rest on it ask for further signs (the same number of features, neighbours in one container) and say "in the order of
registration".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from goodfit import surgery
from goodfit.stages import Normalisation
from goodfit.technique import Technique

Kind = Literal["layer", "dropout", "noise", "batch_norm", "norm", "scales", "other"]
DROPOUTS = ("dropout", "spatial_dropout", "alpha_dropout", "gaussian_dropout", "drop_block")
"""Techniques that multiply activations by noise."""
SCALES: tuple[type[nn.Module], ...] = (
    nn.Identity, nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.RReLU,
    nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d,
)  # fmt: skip
"""Modules whose output is twice as large where their input is."""
Acting = Mapping[int, Sequence[Technique]]
"""The id of a layer's module → the techniques that stand there."""


@dataclass(frozen=True, eq=False)
class Place:
    """A module of the network, or a technique in front of a layer or behind it."""

    kind: Kind
    name: str
    """The module's; of a technique, the layer's that it stands at."""
    module: nn.Module
    technique: Technique | None = None
    in_line: bool = True
    """Whether it stands in an `nn.Sequential`, so that it is known to follow what is before it there."""

    @property
    def features(self) -> int | None:
        """The features of a normalisation's input, where they are known."""
        count = getattr(self.module, "num_features", getattr(self.module, "num_channels", None))
        if isinstance(self.module, nn.LayerNorm | nn.RMSNorm):
            count = self.module.normalized_shape[-1]
        return count if isinstance(count, int) else None


def places(model: nn.Module, before: Acting, after: Acting) -> list[Place]:
    """The network's modules, with the recipe's noises in front of layers and its normalisations behind them."""
    found: list[Place] = []
    for name, module in _steps(model):
        for technique in before.get(id(module), []):
            found.append(Place("dropout" if technique.name() in DROPOUTS else "noise", name, module, technique))
        parent = model.get_submodule(name.rpartition(".")[0])
        found.append(Place(kind_of(module), name, module, in_line=isinstance(parent, nn.Sequential)))
        for technique in after.get(id(module), []):
            found.append(_inserted(name, module, technique))
    return found


def _inserted(name: str, module: nn.Module, technique: Technique) -> Place:
    shape = surgery.features(module)
    assert isinstance(technique, Normalisation)
    assert shape is not None
    added = technique.layer(*shape)
    return Place(kind_of(added), name, added, technique)


def kind_of(module: nn.Module) -> Kind:
    """What a module is to the rules."""
    if isinstance(module, surgery.WEIGHTED):
        return "layer"
    if isinstance(module, _DropoutNd):
        return "dropout" if module.p > 0 else "other"
    if isinstance(module, _BatchNorm):
        return "other" if _frozen(module) else "batch_norm"
    if isinstance(module, surgery.NORMS) and not isinstance(module, nn.LocalResponseNorm):
        return "norm"
    return "scales" if isinstance(module, SCALES) else "other"


def own_dropouts(model: nn.Module) -> list[str]:
    """The names of the modules that drop units of their own: layers of dropout, and attention and recurrent ones."""
    found = []
    for name, module in model.named_modules():
        inside = isinstance(module, nn.MultiheadAttention | nn.RNNBase) and module.dropout > 0
        if inside or (isinstance(module, _DropoutNd) and module.p > 0):
            found.append(name)
    return found


def own_code(model: nn.Module) -> bool:
    """Whether a forward pass is not torch's own, and may do what cannot be seen."""
    return any(not type(module).__module__.startswith("torch.nn.") for module in model.modules())


def behind(flow: Sequence[Place]) -> dict[str, Place]:
    """Linear and convolution layers whose output goes into a normalisation → that normalisation.

    Between them may stand what keeps the scale of the layer's weights irrelevant: ReLU and the like, pooling, dropout.
    A user's own normalisation counts where it has as many features, and is a batch norm or the next in an
    `nn.Sequential`: a layer norm elsewhere usually sees the sum of a residual branch.
    """
    found: dict[str, Place] = {}
    layer: Place | None = None
    for place in flow:
        if place.kind == "layer":
            layer = place if surgery.features(place.module) else None
        elif layer is not None and place.kind in ("batch_norm", "norm"):
            if place.technique is not None or _belongs(layer, place):
                found[layer.name] = place
            layer = None
        elif place.kind not in ("scales", "dropout"):
            layer = None
    return found


def _belongs(layer: Place, norm: Place) -> bool:
    shape = surgery.features(layer.module)
    together = layer.name.rpartition(".")[0] == norm.name.rpartition(".")[0]
    known = norm.kind == "batch_norm" or norm.in_line
    return shape is not None and norm.features in (None, shape[0]) and together and known


def _steps(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Layers with weights, and modules without modules of their own."""
    ordered = {id(m) for _, m in surgery.ordered_layers(model)}
    for name, module in model.named_modules():
        if "parametrizations" in name.split("."):
            continue
        if id(module) in ordered or (not any(True for _ in module.children()) and kind_of(module) != "layer"):
            yield name, module


def _frozen(module: nn.Module) -> bool:
    """A batch norm that the user froze uses its running statistics also in training."""
    own = list(module.parameters(recurse=False))
    return bool(own) and not any(p.requires_grad for p in own)
