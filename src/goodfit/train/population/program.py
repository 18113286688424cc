"""A training step and an evaluation of one member, as functions of tensors; mapped, they are those of all members."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, grad_and_value

from goodfit import surgery
from goodfit.recipe import Recipe
from goodfit.stages import AveragedWeights, Clock, OnEval, OnGrads, Periodic, ResettingAverage
from goodfit.train.config import Training
from goodfit.train.losses import Criterion, by_row
from goodfit.train.objective import Objective
from goodfit.train.population.context import StackedContext
from goodfit.train.population.dropout_mode import DropoutMode
from goodfit.train.population.weight_update import Rates, Update
from goodfit.train.stages.on_batch import BatchTransforms, DataStats
from goodfit.train.stages.on_grads import chain
from goodfit.train.stages.on_loss import LossTerms
from goodfit.train.stages.on_model import attach_layers

LEARNED = " (learned)"
State = dict[str, Any]
"""A member's tensors: `weights`, `memory` of the optimizer, `buffers` by name, `carried`, `averaged`."""


@dataclass(frozen=True)
class StepFlags:
    """What of a step is decided before it: the same for all members that take it together."""

    grads: tuple[bool, ...] = ()  # which OnGrads techniques act
    due: tuple[bool, ...] = ()  # which OnWeights techniques act
    averages: bool = False  # whether the OnEval technique takes the weights in
    pulls: bool = False  # whether training goes on from the averaged weights


class Program:
    """The template of a population: a network with the recipe in it, whose weights are given anew for every pass."""

    def __init__(
        self, model: nn.Module, recipe: Recipe, training: Training, criterion: Criterion, facts: DataStats
    ) -> None:
        self.model, self.recipe, self.criterion, self.facts = model, recipe, criterion, facts
        self.source = StackedContext()
        self.attachment = attach_layers(model, recipe, self.source)
        trained = self.attachment.parameters()
        self.names, self.live = list(trained), list(trained.values())
        self.own = sum(p.requires_grad for p in model.parameters())  # the learned strengths come behind them
        self.fixed = {n: p.detach() for n, p in model.named_parameters() if not p.requires_grad}
        self.update = Update(model, self.live, recipe, training)
        self.on_grads = recipe.at(OnGrads)
        kept: list[OnEval] = recipe.at(OnEval)
        self.on_eval = kept[0] if kept else None

        periodic = any(isinstance(t, Periodic | ResettingAverage) for t in [*self.on_grads, self.on_eval])
        self.timeless = not periodic and all(every == 1 for every in self.update.every.values())
        """Whether every step is like the others."""
        self.clocked = bool(self.on_grads or self.on_eval)
        """Whether a step looks at the clock."""
        self.mixes = any(getattr(module, "track_running_stats", True) is False for module in model.modules())
        """Whether a row's output in evaluation mode depends on the rows beside it."""

    # ---- the beginning -------------------------------------------------------------------------

    def start(self, techniques: Mapping[str, Any]) -> State:
        """The state of a member that begins with the template's weights, and has these techniques at its places."""
        learned = [
            techniques[place].initial_values(like.detach())[knob]
            for place, knob, like in (self.attachment.learning[n.removesuffix(LEARNED)] for n in self.names[self.own :])
        ]
        weights = [p.detach().clone() for p in [*self.live[: self.own], *learned]]
        memory, carried = self.update.start(weights)
        buffers = {n: b.detach().clone() for n, b in self.model.named_buffers()}
        averaged = self.on_eval.start(weights) if self.on_eval else []
        return {"weights": weights, "memory": memory, "buffers": buffers, "carried": carried, "averaged": averaged}

    # ---- a step --------------------------------------------------------------------------------

    def step(
        self, state: State, fixed: dict[str, Any], moving: dict[str, Any], moment: StepFlags
    ) -> tuple[State, Tensor]:
        """One optimizer step; the next state, and the mean data loss of the batch, a scalar.

        It is given what is the same in every step, and what is not.
        """
        given = {**fixed, **moving, "strengths": {**fixed["strengths"], **moving.get("strengths", {})}}
        source, clock = self._told(given), Clock(*given.get("clock", (1, 1, 1)))
        inputs = self.facts.inputs.between(*given["ends"])
        facts = replace(self.facts, scale=given["scale"], inputs=inputs)
        batches = BatchTransforms(self.recipe, self.attachment, facts)
        terms = LossTerms(self.recipe, self.attachment, given.get("frequencies"))
        cost = Objective(self.attachment, self.criterion, batches, terms)
        live, buffers = state["weights"], state["buffers"]
        with self._training():
            x, y = given["x"], given["y"]
            if batches.techniques:
                x, y = batches(x, y, lambda x, y: self._slope(live, buffers, x, y), given.get("only"))
            gradient = _Gradient(self, cost, live, buffers, x, y)
            acting = [(i, t) for i, t in enumerate(self.on_grads) if moment.grads[i]]
            loss, grads = chain(gradient, live, acting, clock, source)(live)
        rates = Rates(given["rate"], given["memory"], given["corrections"], given["owed"])
        weights, memory, carried = self.update(
            live, grads, state["memory"], state["carried"], rates, moment.due, source
        )
        averaged = state["averaged"]
        if self.on_eval and moment.averages:
            technique = source.now(self.on_eval, "eval")
            averaged = technique.update([t.clone() for t in averaged], weights, clock)
            if isinstance(technique, ResettingAverage) and moment.pulls:
                weights = [w.clone() for w in technique.weights(averaged)]
                averaged = technique.reset_state(averaged)
        made = {"weights": weights, "memory": memory, "buffers": gradient.buffers, "carried": carried}
        return {**made, "averaged": averaged}, loss

    def _told(self, given: dict[str, Any]) -> StackedContext:
        self.source.tell(given["strengths"], given["draws"])
        return self.source

    @contextmanager
    def _training(self) -> Iterator[None]:
        """Training mode, in which the techniques act."""
        surgery.set_train_mode(self.model)
        self.source.generator = torch.default_generator  # only as a sign: nothing is drawn from it
        try:
            with DropoutMode(self.source):
                yield
        finally:
            self.source.generator, self.source.seen = None, None
            self.source.mixes.clear()

    def network(self, live: Sequence[Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
        """The network's output with these weights; the buffers are overwritten."""
        self.source.learned = {id(p): w for p, w in zip(self.live[self.own :], live[self.own :], strict=True)}
        own = dict(zip(self.names[: self.own], live[: self.own], strict=True))
        output: Tensor = functional_call(self.model, {**own, **self.fixed, **buffers}, (x,))
        return output

    def _slope(self, live: Sequence[Tensor], buffers: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        """∂loss/∂x of the data loss without noise, for an attack."""

        def loss(x: Tensor) -> Tensor:
            return self.criterion.mean(self.network(live, _copy(buffers), x), y)

        sign, self.source.generator = self.source.generator, None
        try:
            found: Tensor = grad(loss)(x)
        finally:
            self.source.generator = sign
        return found

    # ---- an evaluation -------------------------------------------------------------------------

    def kept(self, state: State) -> list[Tensor]:
        """The weights to evaluate and keep."""
        if not self.on_eval:
            return list(state["weights"])
        assert isinstance(self.on_eval, AveragedWeights)
        return self.on_eval.weights(state["averaged"])

    def measured(
        self, weights: Sequence[Tensor], buffers: dict[str, Tensor], x: Tensor, y: Tensor
    ) -> tuple[Tensor, ...]:
        """The network's outputs in evaluation mode, and the data loss of each row where the criterion has one."""
        self.model.eval()
        with DropoutMode(self.source):
            outputs = self.network(weights, _copy(buffers), x)
        return (outputs, by_row(self.criterion.rows(outputs, y))) if self.criterion.by_row else (outputs,)

    def penalties(self, weights: Sequence[Tensor], strengths: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
        """The values of the weight penalties."""
        self.source.tell(strengths, ())
        return self.update.values(weights, self.source)

    def fill(self, network: nn.Module, weights: Sequence[Tensor], buffers: dict[str, Tensor]) -> None:
        """Put a member's weights and buffers into a network like the template's."""
        named = dict(zip(self.names[: self.own], weights, strict=False))
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                if name in named:
                    parameter.copy_(named[name])
            for name, buffer in network.named_buffers():
                buffer.copy_(buffers[name])


class _Gradient:
    """The innermost gradient function: of the batch's cost, at given weights."""

    def __init__(
        self, program: Program, cost: Objective, live: list[Tensor], buffers: dict[str, Tensor], x: Tensor, y: Tensor
    ) -> None:
        self.program, self.cost, self.live, self.x, self.y = program, cost, live, x, y
        self.before = self.buffers = buffers

    def __call__(self, weights: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """The data loss, and the gradients; running statistics are those of the pass at the weights as they are."""
        if self.program.source.noted is not None:
            return self._tried()
        grads, (_, (loss, buffers)) = grad_and_value(self._cost, has_aux=True)(list(weights))
        if all(w is own for w, own in zip(weights, self.live, strict=True)):
            self.buffers = buffers
        return loss, list(grads)

    def _cost(self, weights: list[Tensor]) -> tuple[Tensor, tuple[Tensor, dict[str, Tensor]]]:
        buffers = _copy(self.before)

        def network(x: Tensor) -> Tensor:
            return self.program.network(weights, buffers, x)

        def again(x: Tensor) -> Tensor:
            return self.program.network(weights, _copy(self.before), x)

        loss, cost = self.cost(network, again, self.x, self.y)
        return cost, (loss, buffers)

    def _tried(self) -> tuple[Tensor, list[Tensor]]:
        """The same through plain autograd, which tells what no gradient reaches."""
        with torch.enable_grad():
            leaves = [w.detach().requires_grad_() for w in self.live]
            cost, (loss, _) = self._cost(leaves)
            found = torch.autograd.grad(cost, leaves, allow_unused=True)
        self.program.update.unused = {i for i, g in enumerate(found) if g is None}
        pairs = zip(found, leaves, strict=True)
        return loss.detach(), [torch.zeros_like(w) if g is None else g.detach() for g, w in pairs]


def _copy(buffers: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: buffer.clone() for name, buffer in buffers.items()}
