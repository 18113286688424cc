"""Techniques as people write them by hand around a torch step, as strong as the library's defaults."""

from collections.abc import Callable, Sequence

import torch
from loops import adam
from problems import Problem
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import WeightAverager, get_ema_multi_avg_fn

from goodfit.techniques import ALL

Step = Callable[[Tensor, Tensor], Tensor]
"""A whole step on one batch; returns its loss."""

CallHints = Callable[[Problem, nn.Sequential], Step]
"""Prepares a fresh network (and its optimizer) and returns the step."""

Weights = Sequence[nn.Parameter]
WEIGHTED = (nn.Linear, nn.Conv2d)
DEFAULT = {name: technique() for name, technique in ALL.items()}


# ---- the parts of a step ------------------------------------------------------------------------------

Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]


def data_loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return functional.cross_entropy(model(x), y)


def nothing() -> None: ...


def whole_step(
    problem: Problem,
    model: nn.Module,
    loss: Loss = data_loss,
    before: Callable[[], object] = nothing,
    after: Callable[[], object] = nothing,
    optimizer: torch.optim.Optimizer | None = None,
) -> Step:
    """The usual step, with something done before and after the optimizer's; as it stands, the plain loop's."""
    chosen = optimizer or adam(problem, model)

    def step(x: Tensor, y: Tensor) -> Tensor:
        value = loss(model, x, y)
        chosen.zero_grad()
        value.backward()
        before()
        chosen.step()
        after()
        return value.detach()

    return step


def _kernels(model: nn.Module) -> list[nn.Parameter]:
    return [p for p in model.parameters() if p.ndim > 1]


# ---- penalties, projections and decay of weights ------------------------------------------------------


def _penalty(cost: Callable[[Tensor], Tensor]) -> CallHints:
    """A cost of each kernel, added to the loss and differentiated with it."""

    def way(problem: Problem, model: nn.Sequential) -> Step:
        kernels = _kernels(model)
        return whole_step(problem, model, lambda net, x, y: data_loss(net, x, y) + sum(cost(w) for w in kernels))

    return way


def _projection(change: Callable[[Tensor], object]) -> CallHints:
    """Each kernel changed in place after each step."""

    def way(problem: Problem, model: nn.Sequential) -> Step:
        kernels = _kernels(model)

        @torch.no_grad()
        def after() -> None:
            for w in kernels:
                change(w)

        return whole_step(problem, model, after=after)

    return way


def _group_norms(w: Tensor) -> Tensor:
    """The cost of each input's outgoing weights as a group: √size times their norm."""
    vectors = w.transpose(0, 1).flatten(1)
    return DEFAULT["group_lasso"].strength * vectors.shape[1] ** 0.5 * vectors.norm(dim=1).sum()


def _cosines(w: Tensor) -> Tensor:
    h = functional.normalize(w.flatten(1), dim=1)
    return DEFAULT["orthogonal"].factor * (h @ h.T).triu(1).abs().sum() / (len(h) * (len(h) - 1) / 2)


def _unit_norm(w: Tensor) -> None:
    w.copy_(functional.normalize(w.flatten(1), dim=1).view_as(w))


def _weight_decay(problem: Problem, model: nn.Sequential) -> Step:
    rate = DEFAULT["weight_decay"].rate
    adamw = torch.optim.AdamW(model.parameters(), lr=problem.learning_rate, weight_decay=rate, fused=True)
    return whole_step(problem, model, optimizer=adamw)


def _spectral_norm(problem: Problem, model: nn.Sequential) -> Step:
    for layer in model:
        if isinstance(layer, WEIGHTED):
            nn.utils.parametrizations.spectral_norm(layer)
    return whole_step(problem, model)


# ---- gradients ----------------------------------------------------------------------------------------


def _clipped(clip: Callable[[Weights], object]) -> CallHints:
    def way(problem: Problem, model: nn.Sequential) -> Step:
        weights = list(model.parameters())
        return whole_step(problem, model, before=lambda: clip(weights))

    return way


def _gradient_noise(problem: Problem, model: nn.Sequential) -> Step:
    technique, done = DEFAULT["gradient_noise"], 0

    def before() -> None:
        nonlocal done
        done += 1
        stddev = (technique.eta / done**technique.gamma) ** 0.5
        for p in model.parameters():
            p.grad.add_(torch.randn_like(p), alpha=stddev)

    return whole_step(problem, model, before=before)


def _sam(problem: Problem, model: nn.Sequential) -> Step:
    """Two passes, with the weights kept aside and put back, as in davda54/sam."""
    optimizer, rho, weights = adam(problem, model), DEFAULT["sam"].rho, list(model.parameters())

    @torch.no_grad()
    def climb() -> list[Tensor]:
        norm = torch.norm(torch.stack([p.grad.norm(2) for p in weights]), 2)
        scale = rho / (norm + 1e-12)
        before = []
        for p in weights:
            before.append(p.clone())
            p.add_(p.grad * scale)
        return before

    def step(x: Tensor, y: Tensor) -> Tensor:
        value = data_loss(model, x, y)
        value.backward()
        before = climb()
        optimizer.zero_grad()
        data_loss(model, x, y).backward()
        for p, w in zip(weights, before, strict=True):
            p.data = w
        optimizer.step()
        optimizer.zero_grad()
        return value.detach()

    return step


# ---- averages of weights ------------------------------------------------------------------------------


def _ema(problem: Problem, model: nn.Sequential) -> Step:
    decay = 0.5 ** (1 / (DEFAULT["ema"].half_life * problem.steps))
    average = WeightAverager(model, multi_avg_fn=get_ema_multi_avg_fn(decay))
    return whole_step(problem, model, after=lambda: average.update_parameters(model))


def _swa(problem: Problem, model: nn.Sequential) -> Step:
    average, done = WeightAverager(model), 0

    def after() -> None:
        nonlocal done
        done += 1
        if done % problem.steps == 0:
            average.update_parameters(model)

    return whole_step(problem, model, after=after)


def _lookahead(problem: Problem, model: nn.Sequential) -> Step:
    technique, done = DEFAULT["lookahead"], 0
    slow = [p.detach().clone() for p in model.parameters()]

    @torch.no_grad()
    def after() -> None:
        nonlocal done
        done += 1
        if done % technique.k == 0:
            for behind, p in zip(slow, model.parameters(), strict=True):
                p.copy_(behind.lerp_(p, technique.step_size))

    return whole_step(problem, model, after=after)


WAYS: dict[str, CallHints] = {
    "clip_grad_norm": _clipped(lambda weights: nn.utils.clip_grad_norm_(weights, DEFAULT["clip_grad_norm"].max_norm)),
    "clip_grad_value": _clipped(
        lambda weights: nn.utils.clip_grad_value_(weights, DEFAULT["clip_grad_value"].clip_value)
    ),
    "elastic_net": _penalty(
        lambda w: DEFAULT["elastic_net"].l1 * w.abs().sum() + DEFAULT["elastic_net"].l2 * w.pow(2).sum()
    ),
    "ema": _ema,
    "gradient_noise": _gradient_noise,
    "group_lasso": _penalty(_group_norms),
    "l1": _penalty(lambda w: DEFAULT["l1"].l1 * w.abs().sum()),
    "l2": _penalty(lambda w: DEFAULT["l2"].l2 * w.pow(2).sum()),
    "lookahead": _lookahead,
    "max_norm": _projection(lambda w: w.copy_(w.renorm(2, 0, DEFAULT["max_norm"].max_value))),
    "non_neg": _projection(lambda w: w.clamp_(min=0)),
    "orthogonal": _penalty(_cosines),
    "sam": _sam,
    "spectral_norm": _spectral_norm,
    "swa": _swa,
    "unit_norm": _projection(_unit_norm),
    "weight_decay": _weight_decay,
}
"""Name in recipes → the usual way around the forward pass; those inside it are in `by_hand_inside`."""
