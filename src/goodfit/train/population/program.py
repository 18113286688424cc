"""A training step and an evaluation of one member as functions of tensors, to be mapped over all members."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, grad_and_value

from goodfit import surgery
from goodfit.recipe import Recipe
from goodfit.stages import AveragedWeights, Clock, OnEval, OnGrads, Periodic, ResettingAverage
from goodfit.train.losses import by_row
from goodfit.train.phases import Phase, in_order, phases_of
from goodfit.train.population.context import EVAL, DropoutMode, SiteTechnique, StackedContext, Strengths
from goodfit.train.population.weight_update import WeightState, WeightUpdate
from goodfit.train.prepare import Plan
from goodfit.train.stages.hooks import SiteKey
from goodfit.train.stages.on_batch import DataStats
from goodfit.train.stages.on_eval import AveragingStep, average
from goodfit.train.stages.on_grads import nest
from goodfit.train.stages.on_model import LEARNED, attach_layers
from goodfit.train.step import Objective

State = dict[str, Any]
"""A member's tensors: `weights`, `moments` of the optimizer, `buffers` by name, `carried`, `averaged`."""


@dataclass(frozen=True)
class StepFlags:
    """What is decided before a step. It is the same for all members that take the step together."""

    grads: tuple[bool, ...] = ()  # which OnGrads techniques act
    due: tuple[bool, ...] = ()  # which OnWeights techniques act
    averaging: AveragingStep = field(default_factory=AveragingStep)


@dataclass
class MemberStep:
    """What the phases of one step of one member read and change."""

    state: State
    inputs: dict[str, Any]
    flags: StepFlags
    clock: Clock
    objective: Objective
    x: Tensor
    y: Tensor
    loss: Tensor
    update: WeightState


class Program:
    """The functions of a population: a template network with the recipe attached, called with each member's weights."""

    def __init__(self, model: nn.Module, recipe: Recipe, plan: Plan, stats: DataStats) -> None:
        self.model, self.recipe, self.criterion, self.stats = model, recipe, plan.criterion, stats
        self.context = StackedContext()
        self.attachment = attach_layers(model, recipe, self.context)
        trained = self.attachment.parameters()
        self.names, self.parameters = list(trained), list(trained.values())
        self.n_weights = sum(p.requires_grad for p in model.parameters())  # learned strengths come after them
        self.frozen = {n: p.detach() for n, p in model.named_parameters() if not p.requires_grad}
        self.update = WeightUpdate(model, self.parameters, recipe, plan.training)
        self.on_grads: list[OnGrads] = recipe.at(OnGrads)
        on_eval: list[OnEval] = recipe.at(OnEval)
        self.on_eval = on_eval[0] if on_eval else None
        handlers: dict[Phase, Callable[[MemberStep], None]] = {
            Phase.BATCH: self._transform_batch,
            Phase.GRADIENTS: self._compute_gradients,
            **{phase: partial(_on_weights, handler) for phase, handler in self.update.handlers.items()},
            Phase.AVERAGING: self._average,
        }
        self.handlers = in_order(phases_of(recipe), handlers)
        self.uniform = self._is_uniform()
        """Whether all steps have the same flags."""
        self.uses_clock = bool(self.on_grads or self.on_eval)
        """Whether a step depends on the clock."""
        self.mixes_rows = any(getattr(module, "track_running_stats", True) is False for module in model.modules())
        """Whether the output for a row in evaluation mode depends on the other rows."""

    def _is_uniform(self) -> bool:
        periodic = any(isinstance(t, Periodic) for t in (*self.on_grads, self.on_eval))
        resets = isinstance(self.on_eval, ResettingAverage)
        every_step = all(interval == 1 for interval in self.update.intervals.values())
        return every_step and not (periodic or resets)

    # ---- the beginning -------------------------------------------------------------------------

    def start(self, techniques: Mapping[SiteKey, SiteTechnique]) -> State:
        """The state of a member that starts with the template's weights and has these techniques at its sites."""
        sites = [self.attachment.learned_sites[n.removesuffix(LEARNED)] for n in self.names[self.n_weights :]]
        learned = [
            techniques[site].technique.initial_values(like.detach())[knob]  # type: ignore[attr-defined]
            for site, knob, like in sites
        ]
        weights = [p.detach().clone() for p in [*self.parameters[: self.n_weights], *learned]]
        moments, carried = self.update.start(weights)
        buffers = {n: b.detach().clone() for n, b in self.model.named_buffers()}
        averaged = self.on_eval.start(weights) if self.on_eval else []
        return {"weights": weights, "moments": moments, "buffers": buffers, "carried": carried, "averaged": averaged}

    # ---- a step --------------------------------------------------------------------------------

    def step(
        self, state: State, fixed: dict[str, Any], varying: dict[str, Any], flags: StepFlags
    ) -> tuple[State, Tensor]:
        """One training step: the next state, and the mean data loss of the batch, a scalar.

        `fixed` holds the inputs that are the same in every step, `varying` the others.
        """
        inputs = {**fixed, **varying, "strengths": {**fixed["strengths"], **varying.get("strengths", {})}}
        self.context.set_inputs(inputs["strengths"], inputs["draws"])
        low_high = self.stats.inputs.between(*inputs["range"])
        stats = replace(self.stats, scale=inputs["scale"], inputs=low_high, class_shares=inputs.get("class_shares"))
        step = MemberStep(
            {**state}, inputs, flags, Clock(*inputs.get("clock", (1, 1, 1))),
            Objective(self.attachment, self.recipe, self.criterion, stats), inputs["x"], inputs["y"], inputs["x"],
            WeightState(
                list(state["weights"]), [], state["moments"], state["carried"], inputs["learning_rate"],
                inputs["betas"], inputs["corrections"], inputs["summed_rates"], flags.due, self.context,
            ),
        )  # fmt: skip
        for handler in self.handlers:
            handler(step)
        update = step.update
        tensors = {"weights": update.weights, "moments": update.moments, "buffers": step.state["buffers"],
                   "carried": update.carried, "averaged": step.state["averaged"]}  # fmt: skip
        return tensors, step.loss

    def _transform_batch(self, step: MemberStep) -> None:
        weights, buffers = step.state["weights"], step.state["buffers"]
        with self._train_mode():
            step.x, step.y = step.objective.batch(
                step.x,
                step.y,
                lambda x, y: self._input_gradient(weights, buffers, x, y),
                step.inputs.get("augment_mask"),
            )

    def _compute_gradients(self, step: MemberStep) -> None:
        weights = step.state["weights"]
        gradient = _Gradient(self, step)
        active = [(i, t) for i, t in enumerate(self.on_grads) if step.flags.grads[i]]
        with self._train_mode():
            step.loss, grads = nest(gradient, weights, active, step.clock, self.context)(weights)
        step.update.grads = list(grads)
        step.state["buffers"] = gradient.buffers

    def _average(self, step: MemberStep) -> None:
        if self.on_eval is None or not step.flags.averaging.updates:
            return
        technique = self.context.resolve(self.on_eval, EVAL)
        state = [t.clone() for t in step.state["averaged"]]
        averaged, restart = average(technique, state, step.update.weights, step.clock, step.flags.averaging)
        step.state["averaged"] = averaged
        if restart:
            step.update.weights = [w.clone() for w in restart]

    @contextmanager
    def _train_mode(self) -> Iterator[None]:
        """Training mode, in which the hooks are active."""
        surgery.set_train_mode(self.model)
        self.context.generator = torch.default_generator  # activates the hooks; nothing is drawn from it
        try:
            with DropoutMode(self.context):
                yield
        finally:
            self.context.generator, self.context.activations = None, None
            self.context.hidden_mixes.clear()

    def network(self, weights: Sequence[Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
        """The network's output with these weights; the buffers are overwritten."""
        n = self.n_weights
        self.context.learned = {id(p): w for p, w in zip(self.parameters[n:], weights[n:], strict=True)}
        by_name = dict(zip(self.names[:n], weights[:n], strict=True))
        output: Tensor = functional_call(self.model, {**by_name, **self.frozen, **buffers}, (x,))
        return output

    def _input_gradient(self, weights: Sequence[Tensor], buffers: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        """∂loss/∂x of the data loss without noise, for adversarial techniques."""

        def loss(x: Tensor) -> Tensor:
            return self.criterion.mean(self.network(weights, _clone(buffers), x), y)

        active, self.context.generator = self.context.generator, None
        try:
            gradient: Tensor = grad(loss)(x)
        finally:
            self.context.generator = active
        return gradient

    # ---- an evaluation -------------------------------------------------------------------------

    def weights_to_keep(self, state: State) -> list[Tensor]:
        """The weights that are evaluated and kept."""
        if not self.on_eval:
            return list(state["weights"])
        assert isinstance(self.on_eval, AveragedWeights)
        return self.on_eval.weights(state["averaged"])

    def outputs(
        self, weights: Sequence[Tensor], buffers: dict[str, Tensor], x: Tensor, y: Tensor
    ) -> tuple[Tensor, ...]:
        """The outputs in evaluation mode and, if the criterion gives one, the data loss of each row."""
        self.model.eval()
        with DropoutMode(self.context):
            outputs = self.network(weights, _clone(buffers), x)
        return (outputs, by_row(self.criterion.losses(outputs, y))) if self.criterion.by_row else (outputs,)

    def penalties(self, weights: Sequence[Tensor], strengths: Strengths) -> dict[str, Tensor]:
        """The values of the weight penalties."""
        self.context.set_inputs(strengths, ())
        return self.update.penalties(weights, self.context)

    def load_into(self, network: nn.Module, weights: Sequence[Tensor], buffers: dict[str, Tensor]) -> None:
        """Load a member's weights and buffers into a copy of the template."""
        by_name = dict(zip(self.names[: self.n_weights], weights, strict=False))
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                if name in by_name:
                    parameter.copy_(by_name[name])
            for name, buffer in network.named_buffers():
                buffer.copy_(buffers[name])


class _Gradient:
    """The gradient function of a member's objective, at any weights."""

    def __init__(self, program: Program, step: MemberStep) -> None:
        self.program, self.objective, self.x, self.y = program, step.objective, step.x, step.y
        self.weights, self.before = step.state["weights"], step.state["buffers"]
        self.buffers = self.before

    def __call__(self, weights: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """The data loss and the gradients. Running statistics are those of the pass at the member's own weights."""
        if self.program.context.requests is not None:
            return self._trial()
        grads, (_, (loss, buffers)) = grad_and_value(self._objective, has_aux=True)(list(weights))
        if all(w is own for w, own in zip(weights, self.weights, strict=True)):
            self.buffers = buffers
        return loss, list(grads)

    def _objective(self, weights: list[Tensor]) -> tuple[Tensor, tuple[Tensor, dict[str, Tensor]]]:
        buffers = _clone(self.before)

        def network(x: Tensor) -> Tensor:
            return self.program.network(weights, buffers, x)

        def extra_forward(x: Tensor) -> Tensor:
            return self.program.network(weights, _clone(self.before), x)

        loss, total = self.objective(network, extra_forward, self.x, self.y)
        return total, (loss, buffers)

    def _trial(self) -> tuple[Tensor, list[Tensor]]:
        """The same with plain autograd, which shows the weights without a gradient."""
        with torch.enable_grad():
            leaves = [w.detach().requires_grad_() for w in self.weights]
            total, (loss, _) = self._objective(leaves)
            grads = torch.autograd.grad(total, leaves, allow_unused=True)
        self.program.update.unused = {i for i, g in enumerate(grads) if g is None}
        pairs = zip(grads, leaves, strict=True)
        return loss.detach(), [torch.zeros_like(w) if g is None else g.detach() for g, w in pairs]


def _on_weights(handler: Any, step: MemberStep) -> None:
    handler(step.update)


def _clone(buffers: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: buffer.clone() for name, buffer in buffers.items()}
