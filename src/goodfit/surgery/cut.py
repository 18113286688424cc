"""Units taken out of a network whose weights say that they do nothing."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from goodfit.surgery.hooks import PassOn
from goodfit.surgery.segments import LAYERS, Segment


@dataclass(frozen=True, eq=False)
class Cut:
    """Which units of a segment stay, and which constants go into the biases behind them."""

    keep: Tensor  # (units,) bool
    fold: Tensor  # (units,) bool, none of them kept
    stuck: int = 0  # constant units whose constant is not the same everywhere in the next layer

    @property
    def removes(self) -> bool:
        """Whether any unit goes."""
        return not bool(self.keep.all())


def idle(network: nn.Module, segment: Segment) -> Cut:
    """The units of a segment that nothing leaves, or nothing enters; one always stays.

    >>> from goodfit.surgery.segments import follow
    >>> from goodfit.surgery.tracing import trace_graph
    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> with torch.no_grad():
    ...     _ = net[0].weight[1].zero_(), net[2].weight[:, 2].zero_()
    >>> cut = idle(net, follow(trace_graph(net), net, torch.ones(1, 2))[0][0])
    >>> cut.keep.tolist(), cut.fold.tolist()
    ([True, False, False], [False, True, False])
    """
    target = network.get_submodule(segment.target)
    used = (_weight(target) != 0).transpose(0, 1).flatten(1).any(1).cpu()  # (features,)
    leaves = _any(segment.columns[used], segment.units)
    constant = _constant(network, segment)
    stuck = _any(segment.columns[~_steady(target, segment.entering)], segment.units)
    keep = leaves & ~(constant & ~stuck)
    if not keep.any():
        keep[0] = True
    return Cut(keep, leaves & constant & ~stuck & ~keep, int((leaves & constant & stuck).sum()))


def _any(units: Tensor, count: int) -> Tensor:
    """(count,) whether a unit is among these."""
    return torch.zeros(count, dtype=torch.bool).index_fill_(0, units, value=True)


def _constant(network: nn.Module, segment: Segment) -> Tensor:
    """(units,) whether the unit's output is the same for every input."""
    if segment.source is None:
        return torch.zeros(segment.units, dtype=torch.bool)
    still = (_weight(network.get_submodule(segment.source)) == 0).flatten(1).all(1).cpu()
    for name, of_feature in segment.between:
        norm = network.get_submodule(name)
        if isinstance(norm, _BatchNorm) and norm.weight is not None:
            still = still | ~_any(of_feature[(norm.weight != 0).cpu()], segment.units)
    return still


def _steady(target: nn.Module, entering: Tensor) -> Tensor:
    """(features,) whether a constant that enters the next layer is there one number, which a bias can stand for."""
    first, spread = entering[:, :1], torch.finfo(entering.dtype).eps * 8
    steady = ((entering - first).abs() <= spread * first.abs()).all(1) & entering.isfinite().all(1)
    if isinstance(target, _ConvNd) and target.padding_mode == "zeros" and any(_padding(target)):
        steady = steady & (entering == 0).all(1)
    return steady.cpu()


def _padding(conv: _ConvNd) -> tuple[int, ...]:
    if isinstance(conv.padding, str):
        return tuple(k - 1 for k in conv.kernel_size) if conv.padding == "same" else (0,)
    return tuple(conv.padding)


def _weight(layer: nn.Module) -> Tensor:
    return layer.get_parameter("weight").detach()


def apply(network: nn.Module, segment: Segment, cut: Cut) -> None:
    """Take the units out: rows of the source, features in between, columns of the target; constants into its bias."""
    target = network.get_submodule(segment.target)
    _fold(target, cut.fold[segment.columns], segment.entering[:, 0])
    if segment.source is not None:
        source = network.get_submodule(segment.source)
        _select(source, ("weight", "bias"), 0, cut.keep)
        setattr(source, "out_features" if isinstance(source, nn.Linear) else "out_channels", int(cut.keep.sum()))
    for name, of_feature in segment.between:
        module, stay = network.get_submodule(name), cut.keep[of_feature]
        _select(module, ("weight", "bias", "running_mean", "running_var"), 0, stay)
        setattr(module, "num_features" if isinstance(module, _BatchNorm) else "num_parameters", int(stay.sum()))
    stay = cut.keep[segment.columns]
    _select(target, ("weight",), 1, stay)
    setattr(target, "in_features" if isinstance(target, nn.Linear) else "in_channels", int(stay.sum()))


def _fold(layer: nn.Module, features: Tensor, values: Tensor) -> None:
    """Add what constant input features contribute to a layer's bias."""
    weight = _weight(layer)
    here = features.to(weight.device)
    values = values[here].double()
    if not values.any():
        return
    share = weight[:, here].double().flatten(2).sum(2) if weight.ndim > 2 else weight[:, here].double()
    bias = layer.bias.detach().double() if layer.bias is not None else 0.0  # type: ignore[operator]
    like = layer.get_parameter("weight")
    layer.bias = nn.Parameter((bias + share @ values).to(like.dtype), requires_grad=like.requires_grad)


def _select(module: nn.Module, names: tuple[str, ...], dim: int, stay: Tensor) -> None:
    """Keep some indices of a module's parameters and buffers."""
    for name in names:
        tensor = getattr(module, name, None)
        if tensor is None:
            continue
        chosen = tensor.detach().index_select(dim, stay.nonzero().flatten().to(tensor.device))
        if isinstance(tensor, nn.Parameter):
            setattr(module, name, nn.Parameter(chosen, requires_grad=tensor.requires_grad))
        else:
            setattr(module, name, chosen)


def fold_norms(network: nn.Module) -> None:
    """Put the batch norms that stand behind layers as hooks into the layers' own weights, as evaluation has them.

    >>> from goodfit.surgery.hooks import append_layer
    >>> layer = nn.Linear(1, 1)
    >>> _ = append_layer(layer, "batch_norm", nn.BatchNorm1d(1))
    >>> fold_norms(layer)
    >>> layer, len(layer._forward_hooks)
    (Linear(in_features=1, out_features=1, bias=True), 0)
    """
    for layer in list(network.modules()):
        hooks = list(layer._forward_hooks.values())
        if type(layer) in LAYERS and len(hooks) == 1 and isinstance(hooks[0], PassOn):
            norm = layer.get_submodule(hooks[0].name)
            if isinstance(norm, _BatchNorm) and norm.running_mean is not None and norm.running_var is not None:
                _put_in(layer, norm)
                delattr(layer, hooks[0].name)
                layer._forward_hooks.clear()


def _put_in(layer: nn.Module, norm: _BatchNorm) -> None:
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
    made = weight.detach().double() * scale.reshape(-1, *[1] * (weight.ndim - 1))
    layer.weight = nn.Parameter(made.to(weight.dtype), requires_grad=weight.requires_grad)
    layer.bias = nn.Parameter(shift.to(weight.dtype), requires_grad=weight.requires_grad)
