"""One training step: the objective of a batch, and the phases of a step run in place on one network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from goodfit.recipe import Recipe
from goodfit.stages import Clock, OnGrads
from goodfit.train.losses import Criterion
from goodfit.train.phases import Phase, in_order
from goodfit.train.prepare import Plan
from goodfit.train.stages.on_batch import BatchTransforms, DataStats
from goodfit.train.stages.on_eval import WeightAverager
from goodfit.train.stages.on_grads import compute_gradients, input_gradient
from goodfit.train.stages.on_loss import LossTerms, extra_forward
from goodfit.train.stages.on_model import Attachment
from goodfit.train.stages.on_sample import batch_sizes
from goodfit.train.stages.on_weights import WeightUpdater

Network = Callable[[Tensor], Tensor]
"""x (batch, …) → the network's output."""


class Objective:
    """The function that a step minimizes: the data loss of a batch plus the OnLoss terms (FORWARD and LOSS_TERMS)."""

    def __init__(self, attachment: Attachment, recipe: Recipe, criterion: Criterion, stats: DataStats) -> None:
        self.attachment, self.criterion = attachment, criterion
        self.batch = BatchTransforms(recipe, attachment, stats)
        self.terms = LossTerms(recipe, attachment, stats.class_shares)

    def __call__(self, network: Network, extra_forward: Network, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The data loss of a batch, and the data loss plus the OnLoss terms.

        `extra_forward`: a further forward pass that leaves the network unchanged.
        """
        if self.attachment.hidden_mixes:
            y = self.batch.draw_hidden_mixes(x, y)
        self.terms.start_recording()
        output = network(x)
        losses = self.criterion.losses(output, y)
        loss = losses.mean()
        if not self.terms.techniques:
            return loss, loss
        terms = self.terms.terms(extra_forward, x, y, output, losses if losses.ndim else None)
        return loss, sum(terms, loss)


@dataclass(slots=True)
class StepState:
    """What the phases of one step read and change."""

    x: Tensor
    y: Tensor
    clock: Clock
    augment_mask: Tensor | None  # the samples that may be augmented (batch,); None: all
    loss: Tensor = field(init=False)


class TrainingStep:
    """One training step of one network, in place: runs the phases of a plan in their order."""

    def __init__(
        self,
        plan: Plan,
        attachment: Attachment,
        stats: DataStats,
        updater: WeightUpdater,
        averager: WeightAverager | None,
    ) -> None:
        self.model, self.attachment = attachment.model, attachment
        self.parameters = list(attachment.parameters().values())
        self.objective = Objective(attachment, plan.recipe, plan.criterion, stats)
        self.on_grads = plan.recipe.at(OnGrads)
        self.rows_at_once = plan.training.rows_at_once
        self.extra_forward = partial(extra_forward, self.model)
        handlers: dict[Phase, Callable[[StepState], None]] = {
            Phase.BATCH: self._transform_batch,
            Phase.GRADIENTS: self._compute_gradients,
            **{phase: partial(_with_clock, handler) for phase, handler in updater.handlers.items()},
        }
        if averager is not None:
            handlers[Phase.AVERAGING] = partial(_with_clock, averager.update)
        self.handlers = in_order(plan.phases, handlers)

    def __call__(
        self, x: Tensor, y: Tensor, clock: Clock, generator: torch.Generator, augment_mask: Tensor | None = None
    ) -> Tensor:
        """Train on one batch. Returns its mean data loss, a scalar without gradient.

        `augment_mask`: mask (batch,) of the samples that may be augmented; None: all.
        """
        context = self.attachment.context
        context.generator, context.progress = generator, clock.progress
        state = StepState(x, y, clock, augment_mask)
        with torch.no_grad():
            for handler in self.handlers:
                handler(state)
        return state.loss

    @torch.enable_grad()
    def _transform_batch(self, state: StepState) -> None:
        state.x, state.y = self.objective.batch(state.x, state.y, self._input_gradient, state.augment_mask)

    @torch.enable_grad()
    def _compute_gradients(self, state: StepState) -> None:
        backward = partial(self._backward, state.x, state.y)
        context = self.attachment.context
        state.loss = compute_gradients(self.model, self.parameters, self.on_grads, backward, state.clock, context)

    def _backward(self, x: Tensor, y: Tensor) -> Tensor:
        """Compute the gradients at the current weights into `.grad`. Returns the loss."""
        for parameter in self.parameters:
            parameter.grad = None
        parts, losses = self._micro_batches(x, y), []
        for part_x, part_y in parts:
            loss, total = self.objective(self.model, self.extra_forward, part_x, part_y)
            share = len(part_x) / len(x)
            (total if len(parts) == 1 else total * share).backward()
            losses.append(loss.detach() * share)
        return torch.stack(losses).sum() if len(losses) > 1 else losses[0]

    def _input_gradient(self, x: Tensor, y: Tensor) -> Tensor:
        """∂loss/∂x of the data loss without noise, for adversarial techniques; the network stays unchanged."""
        criterion, context = self.objective.criterion, self.attachment.context
        return input_gradient(self.model, context, lambda moved: criterion.mean(self.model(moved), y), x)

    def _micro_batches(self, x: Tensor, y: Tensor) -> list[tuple[Tensor, Tensor]]:
        """The parts of an accumulated batch. A single remaining row joins the part before it, for batch norm."""
        sizes = batch_sizes(len(x), self.rows_at_once)
        if len(sizes) == 1:
            return [(x, y)]
        return list(zip(x.split(sizes), y.split(sizes), strict=True))


def _with_clock(handler: Callable[[Clock], None], state: StepState) -> None:
    handler(state.clock)
