"""The sequence of modules that a sample passes in a network, in the order in which the modules were registered.

The order of registration is the order of computation in `nn.Sequential` and in most networks, but PyTorch does not
guarantee it. Rules that rely on it look for further evidence (equal numbers of features, neighbours in one container)
and say "in the order of registration".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from goodfit import surgery
from goodfit.stages import Normalization
from goodfit.technique import Technique

FlowKind = Literal["layer", "dropout", "noise", "batch_norm", "norm", "homogeneous", "other"]
DROPOUTS = ("dropout", "spatial_dropout", "alpha_dropout", "gaussian_dropout", "drop_block")
"""Techniques that multiply activations by noise."""
HOMOGENEOUS: tuple[type[nn.Module], ...] = (
    nn.Identity, nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.RReLU,
    nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d,
)  # fmt: skip
"""Positively homogeneous modules: doubling the input doubles the output."""
TechniquesByModule = Mapping[int, Sequence[Technique]]
"""The id of a layer's module → the techniques that act at this layer."""


@dataclass(frozen=True, eq=False)
class FlowItem:
    """A module of the network, or a technique that acts before or after a layer."""

    kind: FlowKind
    name: str
    """The name of the module; for a technique, the name of the layer it acts at."""
    module: nn.Module
    technique: Technique | None = None
    in_sequential: bool = True
    """Whether its parent is an `nn.Sequential`, so that it certainly follows the module registered before it."""

    @property
    def features(self) -> int | None:
        """The number of input features of a normalization, if known."""
        count = getattr(self.module, "num_features", getattr(self.module, "num_channels", None))
        if isinstance(self.module, nn.LayerNorm | nn.RMSNorm):
            count = self.module.normalized_shape[-1]
        return count if isinstance(count, int) else None


def flow_items(
    model: nn.Module, noise_techniques: TechniquesByModule, normalizations: TechniquesByModule
) -> list[FlowItem]:
    """The network's modules, with the recipe's noises before their layers and its normalizations after them."""
    items: list[FlowItem] = []
    for name, module in _leaf_modules(model):
        for technique in noise_techniques.get(id(module), []):
            items.append(FlowItem("dropout" if technique.name() in DROPOUTS else "noise", name, module, technique))
        parent = model.get_submodule(name.rpartition(".")[0])
        items.append(FlowItem(flow_kind(module), name, module, in_sequential=isinstance(parent, nn.Sequential)))
        for technique in normalizations.get(id(module), []):
            items.append(_inserted(name, module, technique))
    return items


def _inserted(name: str, module: nn.Module, technique: Technique) -> FlowItem:
    shape = surgery.features(module)
    assert isinstance(technique, Normalization)
    assert shape is not None
    layer = technique.layer(*shape)
    return FlowItem(flow_kind(layer), name, layer, technique)


def flow_kind(module: nn.Module) -> FlowKind:
    """Classify a module for the rules."""
    if isinstance(module, surgery.WEIGHTED):
        return "layer"
    if isinstance(module, _DropoutNd):
        return "dropout" if module.p > 0 else "other"
    if isinstance(module, _BatchNorm):
        return "other" if _frozen(module) else "batch_norm"
    if isinstance(module, surgery.NORMS) and not isinstance(module, nn.LocalResponseNorm):
        return "norm"
    return "homogeneous" if isinstance(module, HOMOGENEOUS) else "other"


def dropout_modules(model: nn.Module) -> list[str]:
    """The names of the network's modules that apply dropout: dropout layers, attention and recurrent layers."""
    dropouts = []
    for name, module in model.named_modules():
        inside = isinstance(module, nn.MultiheadAttention | nn.RNNBase) and module.dropout > 0
        if inside or (isinstance(module, _DropoutNd) and module.p > 0):
            dropouts.append(name)
    return dropouts


def has_custom_forward(model: nn.Module) -> bool:
    """Whether the network has modules that are not torch's; their forward passes may call functions unseen here."""
    return any(not type(module).__module__.startswith("torch.nn.") for module in model.modules())


def normalized_layers(flow: Sequence[FlowItem]) -> dict[str, FlowItem]:
    """Names of linear and convolution layers whose output goes into a normalization → that normalization.

    Homogeneous modules (ReLU, pooling) and dropout may lie between the two, because the scale of the layer's weights
    stays irrelevant. A normalization of the network counts only if its number of features matches, and if it is a
    batch norm or directly follows in an `nn.Sequential`: other layer norms usually see the sum of a residual branch.
    """
    normalized: dict[str, FlowItem] = {}
    layer: FlowItem | None = None
    for item in flow:
        if item.kind == "layer":
            layer = item if surgery.features(item.module) else None
        elif layer is not None and item.kind in ("batch_norm", "norm"):
            if item.technique is not None or _normalizes(item, layer):
                normalized[layer.name] = item
            layer = None
        elif item.kind not in ("homogeneous", "dropout"):
            layer = None
    return normalized


def _normalizes(norm: FlowItem, layer: FlowItem) -> bool:
    shape = surgery.features(layer.module)
    siblings = layer.name.rpartition(".")[0] == norm.name.rpartition(".")[0]
    follows = norm.kind == "batch_norm" or norm.in_sequential
    return shape is not None and norm.features in (None, shape[0]) and siblings and follows


def _leaf_modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Layers with weights, and other modules without submodules."""
    ordered = {id(m) for _, m in surgery.ordered_layers(model)}
    for name, module in model.named_modules():
        if "parametrizations" in name.split("."):
            continue
        if id(module) in ordered or (not any(True for _ in module.children()) and flow_kind(module) != "layer"):
            yield name, module


def _frozen(module: nn.Module) -> bool:
    """Whether all parameters are frozen: such a batch norm uses its running statistics in training, too."""
    own = list(module.parameters(recurse=False))
    return bool(own) and not any(p.requires_grad for p in own)
