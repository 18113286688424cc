"""Techniques written by hand in the forward pass or the loss, with the default strengths of goodfit."""

from collections.abc import Callable
from itertools import chain

import numpy as np
import torch
from handwritten import DEFAULT, WEIGHTED, Loss, Step, Technique, data_loss, whole_step
from problems import Problem
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

# ---- inserted modules ----------------------------------------------------------------------------------


def _before_layers(
    make: Callable[[], nn.Module], kinds: tuple[type[nn.Module], ...] = WEIGHTED, first: bool = False
) -> Technique:
    """Inserts a module before each layer with weights; before the first one only if `first`."""

    def technique(problem: Problem, model: nn.Sequential) -> Step:
        pairs = [
            [make(), layer] if isinstance(layer, kinds) and (number or first) else [layer]
            for number, layer in enumerate(model)  # the first layer has weights
        ]
        return whole_step(problem, nn.Sequential(*chain.from_iterable(pairs)))

    return technique


def _after_layers(make: Callable[[nn.Module], nn.Module]) -> Technique:
    """Inserts a module after each layer with weights except the last."""

    def technique(problem: Problem, model: nn.Sequential) -> Step:
        pairs = [[layer, make(layer)] if isinstance(layer, WEIGHTED) else [layer] for layer in model[:-1]]
        return whole_step(problem, nn.Sequential(*chain.from_iterable(pairs), model[-1]))

    return technique


class _Noise(nn.Module):
    """x + z, or x · (1 + z), with z ~ N(0, stddev²)."""

    def __init__(self, stddev: float, times: bool = False) -> None:
        super().__init__()
        self.stddev, self.times = stddev, times

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        z = self.stddev * torch.randn_like(x)
        return x * (1 + z) if self.times else x + z


def _gaussian_dropout() -> nn.Module:
    rate = DEFAULT["gaussian_dropout"].rate
    return _Noise((rate / (1 - rate)) ** 0.5, times=True)


def _batch_norm(layer: nn.Module) -> nn.Module:
    return nn.BatchNorm1d(layer.out_features) if isinstance(layer, nn.Linear) else nn.BatchNorm2d(layer.out_channels)


def _layer_norm(layer: nn.Module) -> nn.Module:
    return nn.LayerNorm(layer.out_features) if isinstance(layer, nn.Linear) else nn.GroupNorm(1, layer.out_channels)


def _with_kernels(change: Callable[[Tensor], Tensor]) -> Technique:
    """Runs the forward pass with transformed kernels."""

    def technique(problem: Problem, model: nn.Sequential) -> Step:
        named = {name: p for name, p in model.named_parameters() if p.ndim > 1}

        def loss(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
            out = functional_call(net, {name: change(w) for name, w in named.items()}, (x,))
            return functional.cross_entropy(out, y)

        return whole_step(problem, model, loss)

    return technique


# ---- batches and losses -------------------------------------------------------------------------------


def _with_loss(loss: Loss) -> Technique:
    return lambda problem, model: whole_step(problem, model, loss)


def _smoothed(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return functional.cross_entropy(model(x), y, label_smoothing=DEFAULT["label_smoothing"].amount)


def _mixed_loss(model: nn.Module, x: Tensor, y: Tensor, other: Tensor, share: float) -> Tensor:
    """The weighted loss of two targets, as in the code of the papers."""
    out = model(x)
    return share * functional.cross_entropy(out, y) + (1 - share) * functional.cross_entropy(out, other)


def _mixup(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """As in the code of the paper: one λ and one permutation per batch."""
    alpha = DEFAULT["mixup"].alpha
    share, partner = np.random.beta(alpha, alpha), torch.randperm(len(x))
    return _mixed_loss(model, share * x + (1 - share) * x[partner], y, y[partner], share)


def _cutmix(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """As in the code of the paper: one box per batch; for tables, one set of columns."""
    share, partner = np.random.beta(1.0, 1.0), torch.randperm(len(x))
    mixed = x.clone()
    if x.ndim == 2:
        columns = torch.randperm(x.shape[1])[: round((1 - share) * x.shape[1])]
        mixed[:, columns] = x[partner][:, columns]
        return _mixed_loss(model, mixed, y, y[partner], 1 - len(columns) / x.shape[1])
    (top, bottom), (left, right) = [_interval(n, int(n * (1 - share) ** 0.5)) for n in x.shape[2:]]
    mixed[:, :, top:bottom, left:right] = x[partner, :, top:bottom, left:right]
    share = 1 - (bottom - top) * (right - left) / (x.shape[2] * x.shape[3])
    return _mixed_loss(model, mixed, y, y[partner], share)


def _interval(size: int, length: int) -> tuple[int, int]:
    centre = np.random.randint(size)
    return max(centre - length // 2, 0), min(centre + length // 2, size)


def _fgsm(problem: Problem, model: nn.Sequential) -> Step:
    """The attack of the PyTorch tutorial, on the same share of rows as in goodfit."""
    epsilon, share = DEFAULT["fgsm"].epsilon, DEFAULT["fgsm"].share
    scale = problem.x.std(0) if problem.x.ndim == 2 else problem.x.std()

    def loss(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        x = x.requires_grad_()
        (slope,) = torch.autograd.grad(data_loss(net, x, y), x)
        attacked = (torch.rand(len(x)) < share).view(-1, *[1] * (x.ndim - 1))
        return data_loss(net, x.detach() + epsilon * scale * slope.sign() * attacked, y)

    return whole_step(problem, model, loss)


def _confidence_penalty(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    out = model(x)
    log_p = out.log_softmax(1)
    entropy = -(log_p.exp() * log_p).sum(1).mean()
    return functional.cross_entropy(out, y) - DEFAULT["confidence_penalty"].beta * entropy


def _spectral_decoupling(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    out = model(x)
    return functional.cross_entropy(out, y) + DEFAULT["spectral_decoupling"].strength / 2 * out.pow(2).sum(1).mean()


def _r_drop(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Two passes and the symmetric divergence; as in goodfit, the data loss comes from the first pass only."""
    out = model(x)
    p, q = out.log_softmax(1), model(x).log_softmax(1)
    both = [functional.kl_div(a, b, reduction="batchmean", log_target=True) for a, b in ((p, q), (q, p))]
    return functional.cross_entropy(out, y) + DEFAULT["r_drop"].alpha * sum(both) / 2


def _class_weights(problem: Problem, model: nn.Sequential) -> Step:
    weights = len(problem.y) / torch.bincount(problem.y, minlength=10).clamp(min=1) / 10
    return whole_step(problem, model, lambda net, x, y: functional.cross_entropy(net(x), y, weight=weights))


def _activity(cost: Callable[[Tensor], Tensor]) -> Technique:
    """Adds a penalty on the inputs of each layer with weights except the first; hooks record them."""

    def technique(problem: Problem, model: nn.Sequential) -> Step:
        activations: list[Tensor] = []
        for layer in [layer for layer in model if isinstance(layer, WEIGHTED)][1:]:
            layer.register_forward_pre_hook(lambda _, args: activations.append(args[0]))

        def loss(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
            activations.clear()
            return data_loss(net, x, y) + sum(cost(a) for a in activations) / len(x)

        return whole_step(problem, model, loss)

    return technique


TECHNIQUES: dict[str, Technique] = {
    "activity_l1": _activity(lambda a: DEFAULT["activity_l1"].l1 * a.abs().sum()),
    "activity_l2": _activity(lambda a: DEFAULT["activity_l2"].l2 * a.pow(2).sum()),
    "alpha_dropout": _before_layers(lambda: nn.AlphaDropout(DEFAULT["alpha_dropout"].rate)),
    "batch_norm": _after_layers(_batch_norm),
    "class_weights": _class_weights,
    "confidence_penalty": _with_loss(_confidence_penalty),
    "cutmix": _with_loss(_cutmix),
    "drop_connect": _with_kernels(lambda w: functional.dropout(w, DEFAULT["drop_connect"].rate)),
    "dropout": _before_layers(lambda: nn.Dropout(DEFAULT["dropout"].rate)),
    "fgsm": _fgsm,
    "gaussian_dropout": _before_layers(_gaussian_dropout),
    "gaussian_noise": _before_layers(lambda: _Noise(DEFAULT["gaussian_noise"].stddev), first=True),
    "label_smoothing": _with_loss(_smoothed),
    "layer_norm": _after_layers(_layer_norm),
    "mixup": _with_loss(_mixup),
    "r_drop": _with_loss(_r_drop),
    "spatial_dropout": _before_layers(lambda: nn.Dropout2d(DEFAULT["spatial_dropout"].rate), kinds=(nn.Conv2d,)),
    "spectral_decoupling": _with_loss(_spectral_decoupling),
    "weight_noise": _with_kernels(lambda w: w + DEFAULT["weight_noise"].stddev * torch.randn_like(w)),
}
"""Name in recipes → its hand-written form."""
