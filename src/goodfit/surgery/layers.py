"""The layers with weights of a network: their order, their output shape, and their training mode."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.dropout import _DropoutNd

from goodfit.surgery.weight_ref import NORMS, WeightRef, matching_refs, ordered_layers


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer with weights, and whether it is the network's first or last one in the order of registration."""

    name: str
    module: nn.Module
    first: bool
    last: bool


def layers(model: nn.Module, on: str, who: str = "selector") -> list[Layer]:
    """The layers whose tensors a selector matches; `first` and `last` refer to all layers with weights."""
    matched = {id(ref.module) for ref in matching_refs(model, on, who)}
    every = ordered_layers(model)
    end = len(every) - 1
    return [Layer(n, m, i == 0, i == end) for i, (n, m) in enumerate(every) if id(m) in matched]


def owning_layer(model: nn.Module, ref: WeightRef) -> tuple[nn.Module, str]:
    """The layer whose forward pass uses a tensor, and the tensor's name within this layer."""
    name = ref.name[len(ref.layer) + 1 :] if ref.layer else ref.name
    for module in model.modules():
        if isinstance(module, nn.MultiheadAttention) and module.out_proj is ref.module:
            return module, f"out_proj.{name}"
    return ref.module, name


def features(module: nn.Module) -> tuple[int, int] | None:
    """The numbers of output features and spatial dimensions of a linear or convolution layer, else None."""
    if isinstance(module, nn.Linear):
        return module.out_features, 0
    if isinstance(module, _ConvNd):
        return module.out_channels, module.weight.ndim - 2
    return None


def dropout_rate(module: nn.Module) -> float:
    """The probability with which one of torch's own layers drops its inputs in training mode; 0 for other layers.

    >>> dropout_rate(nn.Dropout(0.5)), dropout_rate(nn.MultiheadAttention(4, 2, dropout=0.1)), dropout_rate(nn.ReLU())
    (0.5, 0.1, 0.0)
    """
    if isinstance(module, _DropoutNd):
        return float(module.p)
    return float(module.dropout) if isinstance(module, nn.RNNBase | nn.MultiheadAttention) else 0.0


def has_batch_norm(model: nn.Module) -> bool:
    """Whether any module keeps running statistics of batches."""
    return any(isinstance(m, _NormBase) and m.running_mean is not None for m in model.modules())


def set_train_mode(model: nn.Module) -> None:
    """Switch to training mode, except for frozen normalizations, whose running statistics must not change.

    >>> net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2).requires_grad_(False))
    >>> set_train_mode(net)
    >>> net[0].training, net[1].training
    (True, False)
    """
    model.train()
    for module in model.modules():
        parameters = list(module.parameters(recurse=False))
        if isinstance(module, NORMS) and parameters and not any(p.requires_grad for p in parameters):
            module.eval()
