"""Remove the units of a network that its weights show to have no effect."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from goodfit.surgery.hooks import ApplyAppended
from goodfit.surgery.segments import LAYERS, Segment


@dataclass(frozen=True, eq=False)
class Pruning:
    """The units of a segment to keep, and the constant units to fold into the bias of the next layer."""

    keep: Tensor  # (units,) bool
    fold: Tensor  # (units,) bool; none of them is kept
    unfoldable: int = 0  # number of constant units whose contribution to the next layer depends on the position

    @property
    def removes(self) -> bool:
        """Whether any unit is removed."""
        return not bool(self.keep.all())


def plan_pruning(network: nn.Module, segment: Segment) -> Pruning:
    """Find the units of a segment without outgoing weights or with constant output; at least one unit is kept.

    >>> from goodfit.surgery.segments import find_segments
    >>> from goodfit.surgery.tracing import trace_graph
    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> with torch.no_grad():
    ...     _ = net[0].weight[1].zero_(), net[2].weight[:, 2].zero_()
    >>> pruning = plan_pruning(net, find_segments(trace_graph(net), net, torch.ones(1, 2))[0][0])
    >>> pruning.keep.tolist(), pruning.fold.tolist()
    ([True, False, False], [False, True, False])
    """
    target = network.get_submodule(segment.target)
    used_features = (_weight(target) != 0).transpose(0, 1).flatten(1).any(1).cpu()  # (features,)
    used = _mask(segment.columns[used_features], segment.units)
    constant = _constant(network, segment)
    unfoldable = _mask(segment.columns[~_foldable(target, segment.values)], segment.units)
    keep = used & ~(constant & ~unfoldable)
    if not keep.any():
        keep[0] = True
    return Pruning(keep, used & constant & ~unfoldable & ~keep, int((used & constant & unfoldable).sum()))


def _mask(units: Tensor, count: int) -> Tensor:
    """(count,) True at the given indices."""
    return torch.zeros(count, dtype=torch.bool).index_fill_(0, units, value=True)


def _constant(network: nn.Module, segment: Segment) -> Tensor:
    """(units,) whether the unit's output is the same for all inputs."""
    if segment.source is None:
        return torch.zeros(segment.units, dtype=torch.bool)
    constant = (_weight(network.get_submodule(segment.source)) == 0).flatten(1).all(1).cpu()
    for name, unit_of_feature in segment.between:
        norm = network.get_submodule(name)
        if isinstance(norm, _BatchNorm) and norm.weight is not None:
            constant = constant | ~_mask(unit_of_feature[(norm.weight != 0).cpu()], segment.units)
    return constant


def _foldable(target: nn.Module, values: Tensor) -> Tensor:
    """(features,) whether a constant feature has one value at all positions of the next layer, as a bias has."""
    first, tolerance = values[:, :1], torch.finfo(values.dtype).eps * 8
    foldable = ((values - first).abs() <= tolerance * first.abs()).all(1) & values.isfinite().all(1)
    if isinstance(target, _ConvNd) and target.padding_mode == "zeros" and any(_padding(target)):
        foldable = foldable & (values == 0).all(1)
    return foldable.cpu()


def _padding(conv: _ConvNd) -> tuple[int, ...]:
    if isinstance(conv.padding, str):
        return tuple(k - 1 for k in conv.kernel_size) if conv.padding == "same" else (0,)
    return tuple(conv.padding)


def _weight(layer: nn.Module) -> Tensor:
    return layer.get_parameter("weight").detach()


def prune_units(network: nn.Module, segment: Segment, pruning: Pruning) -> None:
    """Remove units in place: rows of the source, features of the modules between, columns of the target.

    Constant units are first folded into the target's bias.
    """
    target = network.get_submodule(segment.target)
    _fold(target, pruning.fold[segment.columns], segment.values[:, 0])
    if segment.source is not None:
        source = network.get_submodule(segment.source)
        _keep_indices(source, ("weight", "bias"), 0, pruning.keep)
        setattr(source, "out_features" if isinstance(source, nn.Linear) else "out_channels", int(pruning.keep.sum()))
    for name, unit_of_feature in segment.between:
        module, keep = network.get_submodule(name), pruning.keep[unit_of_feature]
        _keep_indices(module, ("weight", "bias", "running_mean", "running_var"), 0, keep)
        setattr(module, "num_features" if isinstance(module, _BatchNorm) else "num_parameters", int(keep.sum()))
    keep = pruning.keep[segment.columns]
    _keep_indices(target, ("weight",), 1, keep)
    setattr(target, "in_features" if isinstance(target, nn.Linear) else "in_channels", int(keep.sum()))


def _fold(layer: nn.Module, features: Tensor, values: Tensor) -> None:
    """Add the contribution of constant input features to a layer's bias."""
    weight = _weight(layer)
    selected = features.to(weight.device)
    values = values[selected].double()
    if not values.any():
        return
    columns = weight[:, selected].double().flatten(2).sum(2) if weight.ndim > 2 else weight[:, selected].double()
    bias = layer.bias.detach().double() if layer.bias is not None else 0.0  # type: ignore[operator]
    like = layer.get_parameter("weight")
    layer.bias = nn.Parameter((bias + columns @ values).to(like.dtype), requires_grad=like.requires_grad)


def _keep_indices(module: nn.Module, names: tuple[str, ...], dim: int, keep: Tensor) -> None:
    """Keep some indices along a dimension of a module's parameters and buffers."""
    for name in names:
        tensor = getattr(module, name, None)
        if tensor is None:
            continue
        kept = tensor.detach().index_select(dim, keep.nonzero().flatten().to(tensor.device))
        if isinstance(tensor, nn.Parameter):
            setattr(module, name, nn.Parameter(kept, requires_grad=tensor.requires_grad))
        else:
            setattr(module, name, kept)


def fold_batch_norms(network: nn.Module) -> None:
    """Fold the batch norms that hooks apply after layers into the layers' weights, with their running statistics.

    >>> from goodfit.surgery.hooks import append_layer
    >>> layer = nn.Linear(1, 1)
    >>> _ = append_layer(layer, "batch_norm", nn.BatchNorm1d(1))
    >>> fold_batch_norms(layer)
    >>> layer, len(layer._forward_hooks)
    (Linear(in_features=1, out_features=1, bias=True), 0)
    """
    for layer in list(network.modules()):
        hooks = list(layer._forward_hooks.values())
        if type(layer) in LAYERS and len(hooks) == 1 and isinstance(hooks[0], ApplyAppended):
            norm = layer.get_submodule(hooks[0].name)
            if isinstance(norm, _BatchNorm) and norm.running_mean is not None and norm.running_var is not None:
                _fold_batch_norm(layer, norm)
                delattr(layer, hooks[0].name)
                layer._forward_hooks.clear()


def _fold_batch_norm(layer: nn.Module, norm: _BatchNorm) -> None:
    """W ← s W, b ← s (b − mean) + β with s = γ / √(var + eps)."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    weight = layer.get_parameter("weight")
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    shift = -norm.running_mean.double()
    if layer.bias is not None:
        shift = shift + layer.bias.detach().double()  # type: ignore[operator]
    if norm.weight is not None:
        scale = scale * norm.weight.detach().double()
    shift = shift * scale
    if norm.bias is not None:
        shift = shift + norm.bias.detach().double()
    scaled = weight.detach().double() * scale.reshape(-1, *[1] * (weight.ndim - 1))
    layer.weight = nn.Parameter(scaled.to(weight.dtype), requires_grad=weight.requires_grad)
    layer.bias = nn.Parameter(shift.to(weight.dtype), requires_grad=weight.requires_grad)
