"""Techniques as people write them by hand inside the forward pass and its loss, as strong as the library's defaults."""

from collections.abc import Callable
from itertools import chain

import numpy as np
import torch
from by_hand import DEFAULT, WEIGHTED, Loss, Step, Way, data_loss, whole_step
from problems import Problem
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

# ---- modules put into the network ---------------------------------------------------------------------


def _in_front(make: Callable[[], nn.Module], kinds: tuple[type[nn.Module], ...] = WEIGHTED, first: bool = False) -> Way:
    """A module in front of each layer with weights; of the first one only if that is wanted."""

    def way(problem: Problem, model: nn.Sequential) -> Step:
        pairs = [
            [make(), layer] if isinstance(layer, kinds) and (number or first) else [layer]
            for number, layer in enumerate(model)  # the first one has weights
        ]
        return whole_step(problem, nn.Sequential(*chain.from_iterable(pairs)))

    return way


def _behind(make: Callable[[nn.Module], nn.Module]) -> Way:
    """A module behind each layer with weights but the last."""

    def way(problem: Problem, model: nn.Sequential) -> Step:
        pairs = [[layer, make(layer)] if isinstance(layer, WEIGHTED) else [layer] for layer in model[:-1]]
        return whole_step(problem, nn.Sequential(*chain.from_iterable(pairs), model[-1]))

    return way


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


def _perturbed(change: Callable[[Tensor], Tensor]) -> Way:
    """The forward pass with other kernels than the network's own."""

    def way(problem: Problem, model: nn.Sequential) -> Step:
        named = {name: p for name, p in model.named_parameters() if p.ndim > 1}

        def loss(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
            out = functional_call(net, {name: change(w) for name, w in named.items()}, (x,))
            return functional.cross_entropy(out, y)

        return whole_step(problem, model, loss)

    return way


# ---- batches and losses -------------------------------------------------------------------------------


def _with_loss(loss: Loss) -> Way:
    return lambda problem, model: whole_step(problem, model, loss)


def _smoothed(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return functional.cross_entropy(model(x), y, label_smoothing=DEFAULT["label_smoothing"].amount)


def _shared_out(model: nn.Module, x: Tensor, y: Tensor, other: Tensor, share: float) -> Tensor:
    """The loss of two targets at once, as the papers' code has it."""
    out = model(x)
    return share * functional.cross_entropy(out, y) + (1 - share) * functional.cross_entropy(out, other)


def _mixup(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """As in the paper's code: one λ and one permutation to a batch."""
    alpha = DEFAULT["mixup"].alpha
    share, partner = np.random.beta(alpha, alpha), torch.randperm(len(x))
    return _shared_out(model, share * x + (1 - share) * x[partner], y, y[partner], share)


def _cutmix(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """As in the paper's code: one box to a batch; of rows without pixels, one set of columns."""
    share, partner = np.random.beta(1.0, 1.0), torch.randperm(len(x))
    mixed = x.clone()
    if x.ndim == 2:
        columns = torch.randperm(x.shape[1])[: round((1 - share) * x.shape[1])]
        mixed[:, columns] = x[partner][:, columns]
        return _shared_out(model, mixed, y, y[partner], 1 - len(columns) / x.shape[1])
    (top, bottom), (left, right) = [_stretch(n, int(n * (1 - share) ** 0.5)) for n in x.shape[2:]]
    mixed[:, :, top:bottom, left:right] = x[partner, :, top:bottom, left:right]
    share = 1 - (bottom - top) * (right - left) / (x.shape[2] * x.shape[3])
    return _shared_out(model, mixed, y, y[partner], share)


def _stretch(size: int, length: int) -> tuple[int, int]:
    centre = np.random.randint(size)
    return max(centre - length // 2, 0), min(centre + length // 2, size)


def _fgsm(problem: Problem, model: nn.Sequential) -> Step:
    """The tutorial's attack, on the share of the rows that the library moves."""
    epsilon, share = DEFAULT["fgsm"].epsilon, DEFAULT["fgsm"].share
    scale = problem.x.std(0) if problem.x.ndim == 2 else problem.x.std()

    def loss(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        x = x.requires_grad_()
        (slope,) = torch.autograd.grad(data_loss(net, x, y), x)
        moved = (torch.rand(len(x)) < share).view(-1, *[1] * (x.ndim - 1))
        return data_loss(net, x.detach() + epsilon * scale * slope.sign() * moved, y)

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
    """Two passes and the symmetric divergence; as in ours, the first pass alone gives the data loss."""
    out = model(x)
    p, q = out.log_softmax(1), model(x).log_softmax(1)
    both = [functional.kl_div(a, b, reduction="batchmean", log_target=True) for a, b in ((p, q), (q, p))]
    return functional.cross_entropy(out, y) + DEFAULT["r_drop"].alpha * sum(both) / 2


def _class_weights(problem: Problem, model: nn.Sequential) -> Step:
    weights = len(problem.y) / torch.bincount(problem.y, minlength=10).clamp(min=1) / 10
    return whole_step(problem, model, lambda net, x, y: functional.cross_entropy(net(x), y, weight=weights))


def _activity(cost: Callable[[Tensor], Tensor]) -> Way:
    """A cost of what flows into each layer with weights but the first, noted by hooks."""

    def way(problem: Problem, model: nn.Sequential) -> Step:
        seen: list[Tensor] = []
        for layer in [layer for layer in model if isinstance(layer, WEIGHTED)][1:]:
            layer.register_forward_pre_hook(lambda _, args: seen.append(args[0]))

        def loss(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
            seen.clear()
            return data_loss(net, x, y) + sum(cost(a) for a in seen) / len(x)

        return whole_step(problem, model, loss)

    return way


WAYS: dict[str, Way] = {
    "activity_l1": _activity(lambda a: DEFAULT["activity_l1"].l1 * a.abs().sum()),
    "activity_l2": _activity(lambda a: DEFAULT["activity_l2"].l2 * a.pow(2).sum()),
    "alpha_dropout": _in_front(lambda: nn.AlphaDropout(DEFAULT["alpha_dropout"].rate)),
    "batch_norm": _behind(_batch_norm),
    "class_weights": _class_weights,
    "confidence_penalty": _with_loss(_confidence_penalty),
    "cutmix": _with_loss(_cutmix),
    "drop_connect": _perturbed(lambda w: functional.dropout(w, DEFAULT["drop_connect"].rate)),
    "dropout": _in_front(lambda: nn.Dropout(DEFAULT["dropout"].rate)),
    "fgsm": _fgsm,
    "gaussian_dropout": _in_front(_gaussian_dropout),
    "gaussian_noise": _in_front(lambda: _Noise(DEFAULT["gaussian_noise"].stddev), first=True),
    "label_smoothing": _with_loss(_smoothed),
    "layer_norm": _behind(_layer_norm),
    "mixup": _with_loss(_mixup),
    "r_drop": _with_loss(_r_drop),
    "spatial_dropout": _in_front(lambda: nn.Dropout2d(DEFAULT["spatial_dropout"].rate), kinds=(nn.Conv2d,)),
    "spectral_decoupling": _with_loss(_spectral_decoupling),
    "weight_noise": _perturbed(lambda w: w + DEFAULT["weight_noise"].stddev * torch.randn_like(w)),
}
"""Name in recipes → the usual way."""
