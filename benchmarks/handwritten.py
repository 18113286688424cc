"""Techniques written by hand around a torch step, with the default strengths of goodfit."""

from collections.abc import Callable, Sequence

import torch
from loops import adam
from problems import Problem
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from goodfit.techniques import ALL

Step = Callable[[Tensor, Tensor], Tensor]
"""Trains on one batch; returns its loss."""

Technique = Callable[[Problem, nn.Sequential], Step]
"""Prepares a new network and its optimizer; returns the step."""

Weights = Sequence[nn.Parameter]
WEIGHTED = (nn.Linear, nn.Conv2d)
DEFAULT = {name: technique() for name, technique in ALL.items()}


# ---- the parts of a step ------------------------------------------------------------------------------

Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]


def data_loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return functional.cross_entropy(model(x), y)


def no_action() -> None: ...


def whole_step(
    problem: Problem,
    model: nn.Module,
    loss: Loss = data_loss,
    before: Callable[[], object] = no_action,
    after: Callable[[], object] = no_action,
    optimizer: torch.optim.Optimizer | None = None,
) -> Step:
    """The usual training step, with optional actions before and after the optimizer step."""
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


# ---- penalties, constraints and decay of weights ------------------------------------------------------


def _penalty(cost: Callable[[Tensor], Tensor]) -> Technique:
    """Adds a penalty of each kernel to the loss."""

    def technique(problem: Problem, model: nn.Sequential) -> Step:
        kernels = _kernels(model)
        return whole_step(problem, model, lambda net, x, y: data_loss(net, x, y) + sum(cost(w) for w in kernels))

    return technique


def _constraint(change: Callable[[Tensor], object]) -> Technique:
    """Changes each kernel in place after each step."""

    def technique(problem: Problem, model: nn.Sequential) -> Step:
        kernels = _kernels(model)

        @torch.no_grad()
        def after() -> None:
            for w in kernels:
                change(w)

        return whole_step(problem, model, after=after)

    return technique


def _group_norms(w: Tensor) -> Tensor:
    """Group lasso over the outgoing weights of each input: √size times their norm."""
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


def _clipped(clip: Callable[[Weights], object]) -> Technique:
    def technique(problem: Problem, model: nn.Sequential) -> Step:
        weights = list(model.parameters())
        return whole_step(problem, model, before=lambda: clip(weights))

    return technique


def _gradient_noise(problem: Problem, model: nn.Sequential) -> Step:
    defaults, steps = DEFAULT["gradient_noise"], 0

    def before() -> None:
        nonlocal steps
        steps += 1
        stddev = (defaults.eta / steps**defaults.gamma) ** 0.5
        for p in model.parameters():
            p.grad.add_(torch.randn_like(p), alpha=stddev)

    return whole_step(problem, model, before=before)


def _sam(problem: Problem, model: nn.Sequential) -> Step:
    """Two passes; the weights are saved before the second and restored after it, as in davda54/sam."""
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
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))
    return whole_step(problem, model, after=lambda: average.update_parameters(model))


def _swa(problem: Problem, model: nn.Sequential) -> Step:
    average, steps = AveragedModel(model), 0

    def after() -> None:
        nonlocal steps
        steps += 1
        if steps % problem.steps == 0:
            average.update_parameters(model)

    return whole_step(problem, model, after=after)


def _lookahead(problem: Problem, model: nn.Sequential) -> Step:
    defaults, steps = DEFAULT["lookahead"], 0
    slow = [p.detach().clone() for p in model.parameters()]

    @torch.no_grad()
    def after() -> None:
        nonlocal steps
        steps += 1
        if steps % defaults.k == 0:
            for slow_weight, p in zip(slow, model.parameters(), strict=True):
                p.copy_(slow_weight.lerp_(p, defaults.step_size))

    return whole_step(problem, model, after=after)


TECHNIQUES: dict[str, Technique] = {
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
    "max_norm": _constraint(lambda w: w.copy_(w.renorm(2, 0, DEFAULT["max_norm"].max_value))),
    "non_neg": _constraint(lambda w: w.clamp_(min=0)),
    "orthogonal": _penalty(_cosines),
    "sam": _sam,
    "spectral_norm": _spectral_norm,
    "swa": _swa,
    "unit_norm": _constraint(_unit_norm),
    "weight_decay": _weight_decay,
}
"""Name in recipes → its hand-written form; techniques inside the forward pass are in `handwritten_layers`."""
