"""The phases of a training step, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import TypeVar

from goodfit.recipe import Recipe
from goodfit.stages import (
    Decay,
    OnBatch,
    OnEval,
    OnGrads,
    OnLoss,
    OnModel,
    Projection,
    ProximalPenalty,
    QuadraticPenalty,
    Scaling,
    SmoothPenalty,
)

Handler = TypeVar("Handler", bound=Callable[..., object])


class Phase(Enum):
    """A part of a training step. The order of a step is the order of these members, and is defined only here.

    `fit` runs the phases in place on the network, a population runs them as functions of stacked tensors, and in a
    loop that uses `attach` the user's calls run them. FORWARD and LOSS_TERMS run inside GRADIENTS, once for each
    evaluation of the gradient: a technique on gradients wraps this evaluation and may repeat it (SAM).
    """

    BATCH = "transform the training batch"
    FORWARD = "forward pass, with the techniques inside the network, and data loss"
    LOSS_TERMS = "terms of the loss that need the forward pass"
    GRADIENTS = "gradients of the loss, wrapped by the techniques on gradients"
    SMOOTH_PENALTIES = "add the gradients of smooth weight penalties"
    DECAY = "shrink weights by decoupled weight decay"
    COUPLED_L2 = "add the gradients of quadratic weight penalties"
    OPTIMIZER = "step of the optimizer"
    CAUTIOUS_DECAY = "shrink those weights that the optimizer has shrunk too"
    PROXIMAL = "proximal steps of weight penalties with exact zeros"
    PROJECTION = "project weights onto their constraints"
    AVERAGING = "update averaged weights"


TECHNIQUES: dict[Phase, tuple[type, ...]] = {
    Phase.BATCH: (OnBatch,),
    Phase.FORWARD: (OnModel,),
    Phase.LOSS_TERMS: (OnLoss,),
    Phase.GRADIENTS: (OnGrads,),
    Phase.SMOOTH_PENALTIES: (SmoothPenalty,),
    Phase.DECAY: (Decay,),
    Phase.COUPLED_L2: (QuadraticPenalty,),
    Phase.OPTIMIZER: (),
    Phase.CAUTIOUS_DECAY: (Decay,),
    Phase.PROXIMAL: (ProximalPenalty,),
    Phase.PROJECTION: (Scaling, Projection),
    Phase.AVERAGING: (OnEval,),
}
"""The techniques that act in each phase."""
ALWAYS = (Phase.FORWARD, Phase.GRADIENTS, Phase.OPTIMIZER)
"""The phases of a step without any technique."""


def phases_of(recipe: Recipe) -> tuple[Phase, ...]:
    """The phases in which a recipe's step does something, in order.

    >>> [phase.name for phase in phases_of(Recipe.of("l1=1e-4, mixup=0.2"))]
    ['BATCH', 'FORWARD', 'GRADIENTS', 'OPTIMIZER', 'PROXIMAL']
    """
    return tuple(p for p in Phase if p in ALWAYS or any(isinstance(t, TECHNIQUES[p]) for t in recipe))


def in_order(phases: Sequence[Phase], handlers: Mapping[Phase, Handler]) -> list[Handler]:
    """The handlers of the given phases, in their order; phases without a handler are left out."""
    return [handlers[phase] for phase in phases if phase in handlers]
