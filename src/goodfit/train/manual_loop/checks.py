"""What `attach` requires of the user's own loop, and the errors when it is missing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from weakref import WeakSet

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer

from goodfit.checks import whole_number
from goodfit.data import Inputs
from goodfit.data.task import Task
from goodfit.errors import InputError
from goodfit.linter import Context
from goodfit.recipe import Recipe
from goodfit.stages import (
    Attack,
    Augmentation,
    Decay,
    Ensemble,
    OnBatch,
    OnEpoch,
    OnEval,
    OnGrads,
    OnLoss,
    OnSample,
    OnWeights,
    QuadraticPenalty,
    ScalesLearningRate,
    Synthesis,
    TrainableStrengths,
    is_scheduled,
)
from goodfit.technique import Technique
from goodfit.train.stages.on_batch import DataStats, input_scale
from goodfit.train.stages.on_loss import class_shares
from goodfit.train.stages.on_sample import augments_repeats_only
from goodfit.train.stages.on_weights import WeightUpdater

Data = tuple[Tensor, Tensor]
CALLS: dict[str, tuple[type[Technique], str]] = {
    "batch": (OnBatch, "train on the x and y that x, y = reg.batch(x, y) returns"),
    "penalty": (OnLoss, "add reg.penalty() to the loss"),
    "rows": (OnSample, "draw the rows with reg.rows() or reg.sampler()"),
}
"""Method → the stage whose techniques need its call, and the remedy in the error."""
ATTACHED: WeakSet[nn.Module] = WeakSet()
"""The layers of networks to which a recipe is attached."""


@dataclass(frozen=True, eq=False)
class Loop:
    """The arguments of `attach` that describe the user's loop."""

    optimizer: Optimizer | None
    loss: Callable[[Tensor, Tensor], Tensor] | None
    data: Data | None
    epochs: int | None
    steps_per_epoch: int | None
    seed: int
    inputs: Inputs | None = None
    fast_linear: bool = False

    def stats(self, device: torch.device, recipe: Recipe) -> DataStats:
        """The properties of the training rows on which techniques depend, as far as they are known."""
        scale = torch.ones((), device=device)
        if self.data is not None and recipe.at(Attack):
            scale = input_scale(self.data[0]).to(device)
        inputs = self.inputs or (Inputs() if self.data is None else Inputs.of(self.data[0]))
        shares = class_shares(self.data[1], self.classes).to(device) if self.data and self.classes else None
        return DataStats([str(number) for number in range(self.classes)], scale, inputs, shares)

    @property
    def classes(self) -> int:
        """The number of classes; 0 if the targets are numbers or not known."""
        if self.data is None or self.data[1].is_floating_point():
            return 0
        return int(self.data[1].max()) + 1

    @property
    def task(self) -> Task:
        """The task of the training rows; regression if they are not known."""
        if not self.classes:
            return "regression"
        return "segmentation" if self.data and self.data[1].ndim > 2 else "classification"

    @property
    def total(self) -> int:
        """Optimizer steps of the whole training; 0 if not known."""
        return (self.epochs or 0) * (self.steps_per_epoch or 0)

    @property
    def context(self) -> Context:
        """What the linter needs to know. The optimizer's own weight decay is checked by `double_decay_warnings`."""
        inputs = None if self.data is None else self.data[0]
        return Context(
            optimizer=type(self.optimizer).__name__.lower() if self.optimizer else "adam", epochs=self.epochs,
            task=self.task, rows=None if inputs is None else len(inputs),
            integer_inputs=inputs is not None and not inputs.is_floating_point(), manual_loop=True,
        )  # fmt: skip


def check_loop(model: nn.Module, recipe: Recipe, loop: Loop) -> None:
    """Check the arguments of `attach`, and that every technique has the arguments that it needs.

    Raises:
        InputError: an argument is wrong or missing.
    """
    _check_arguments(model, loop)
    for technique in recipe:
        if isinstance(technique, Synthesis):
            raise InputError(
                f"{type(technique).__name__}: it makes rows before training; add the rows of "
                "synthesize(x, y, inputs, seed) to yours before the loop, and leave it out of the recipe."
            )
        for missing, why in _missing(technique, recipe, loop):
            raise InputError(f"{type(technique).__name__}: {why}; give attach(…, {missing}).")
        if isinstance(technique, Ensemble) and recipe.at(OnEpoch):
            raise InputError(
                f"{type(technique).__name__}: in your own loop it cannot be combined with "
                f"{recipe.at(OnEpoch)[0].name()}, which keeps the best epoch; leave one out."
            )


def _check_arguments(model: nn.Module, loop: Loop) -> None:
    def must(holds: bool, name: str, rule: str, value: object) -> None:
        if not holds:
            raise InputError(f"attach: {name} must be {rule}, got {name}={value!r}.")

    must(isinstance(model, nn.Module), "model", "a network (torch.nn.Module)", model)
    if lazy := [name for name, parameter in model.named_parameters() if is_lazy(parameter)]:
        raise InputError(
            f"attach: lazy layers must have been initialized, got '{lazy[0]}' without values; pass a batch through the "
            "model first."
        )
    must(any(True for _ in model.parameters()), "model", "a network with weights", model)
    optimizer = loop.optimizer
    must(optimizer is None or isinstance(optimizer, Optimizer), "optimizer", "a torch.optim.Optimizer", optimizer)
    must(loop.loss is None or callable(loop.loss), "loss", "a function loss(output, y)", loop.loss)
    for name in ("epochs", "steps_per_epoch"):
        if getattr(loop, name) is not None:
            whole_number("attach", name, getattr(loop, name), 1)
    whole_number("attach", "seed", loop.seed, 0)
    must(loop.inputs is None or isinstance(loop.inputs, Inputs), "inputs", "goodfit.Inputs", loop.inputs)
    if loop.data is not None and not _are_rows(loop.data):
        shown = type(loop.data).__name__
        raise InputError(f"attach: data must be the training rows, two tensors (x, y) of the same length, got {shown}.")


def _are_rows(data: object) -> bool:
    pair = isinstance(data, tuple | list) and len(data) == 2 and all(isinstance(part, Tensor) for part in data)
    return pair and len(data[0]) == len(data[1]) > 0  # type: ignore[index]


def _missing(technique: Technique, recipe: Recipe, loop: Loop) -> Iterator[tuple[str, str]]:
    """The missing arguments of `attach` that a technique needs, with the reason."""
    if loop.optimizer is None:
        if isinstance(technique, TrainableStrengths):
            yield "optimizer=", "its strengths are trained together with the weights"
        elif acts_in_step(technique):
            yield "optimizer=", "it acts around the optimizer's step"
    if (is_scheduled(technique) or isinstance(technique, ScalesLearningRate)) and not loop.total:
        yield "epochs=, steps_per_epoch=", "it must know the length of training"
    if isinstance(technique, OnEval) and not loop.steps_per_epoch:
        yield "steps_per_epoch=", "it counts epochs"
    if technique.needs_targets == "labels" and not loop.classes:
        yield "data=(x, y)", "it must know the classes, whole numbers y"
    if isinstance(technique, Attack) and loop.loss is None:
        yield "loss=", "it moves the inputs against the data loss"
    if isinstance(technique, Attack) and loop.data is None:
        yield "data=(x, y)", "its strength is in units of the standard deviation of the inputs"
    if isinstance(technique, Ensemble) and loop.data is None:
        yield "data=(x, y)", "it must know whether to average class probabilities or numbers"
    if isinstance(technique, Augmentation) and loop.data is None and loop.inputs is None:
        yield "inputs=Inputs('image', low=0, high=1)", "it must know the data kind and the range of the inputs"
    if isinstance(technique, OnSample) and loop.data is None:
        yield "data=(x, y)", "it chooses among the training rows"


def acts_in_step(technique: Technique) -> bool:
    """Whether a technique acts around the optimizer's steps, or counts them."""
    return isinstance(technique, OnWeights | OnGrads | OnEval | ScalesLearningRate) or is_scheduled(technique)


def check_batch_targets(y: Tensor, recipe: Recipe, classes: int) -> None:
    """Check that the targets of a batch can become probabilities of the known classes.

    Raises:
        InputError: the classes are not known, or a target is none of them.
    """
    techniques = recipe.at(OnBatch)
    if y.is_floating_point() or all(isinstance(t, Augmentation) and not t.classes for t in techniques):
        return
    names = ", ".join(t.name() for t in recipe.at(OnBatch))
    if not classes:
        raise InputError(
            f"attach: the number of classes must be known (required by {names}); give attach(…, data=(x, y))."
        )
    if bool((y >= classes).any()):
        raise InputError(
            f"attach: a batch's classes must be among those of the training rows (0 to {classes - 1} in data=), "
            f"got {int(y.max())}."
        )


def check_augment_mask(recipe: Recipe, augment_mask: Tensor | None) -> None:
    """Check that a batch comes with a mask if only repeated samples are augmented.

    Raises:
        InputError: the mask is missing.
    """
    if augment_mask is None and recipe.at(Augmentation) and augments_repeats_only(recipe.at(OnSample)):
        raise InputError(
            "attach: batch() needs the mask of repeated samples, because only these are augmented (augment='repeats'), "
            f"got augment_mask={augment_mask}; call batch(x, y, augment_mask=reg.is_repeat(rows)[…]) with the batch's "
            "part of the mask."
        )


def check_calls(recipe: Recipe, calls: Collection[str], optimizer: Optimizer) -> None:
    """Check that the loop has made all calls that the recipe needs before a step; it would have no effect otherwise.

    Raises:
        InputError: a call is missing.
    """
    for call, (stage, remedy) in CALLS.items():
        names = ", ".join(t.name() for t in recipe.at(stage))
        if names and call not in calls:
            raise InputError(f"attach: step() must follow {call}(), which {names} needs; {remedy}.")
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    if all(parameter.grad is None for parameter in parameters):
        raise InputError(
            f"attach: step() must follow backward(), got no gradient for any of the optimizer's {len(parameters)} "
            "parameters; call loss.backward() first."
        )


def double_decay_warnings(updater: WeightUpdater) -> Iterator[str]:
    """Warnings about tensors on which both the optimizer's weight decay and the recipe's act."""
    for technique, refs in [(target.technique, target.refs) for target in updater.targets]:
        if isinstance(technique, QuadraticPenalty):
            shrinks = technique.coefficient() > 0
        else:
            shrinks = isinstance(technique, Decay) and technique.factor(1.0) < 1
        held = [(ref.name, updater.group(ref.tensor).get("weight_decay", 0.0)) for ref in refs if shrinks]
        names = [name for name, rate in held if rate]
        if names:
            rates = ", ".join(dict.fromkeys(f"{float(rate):g}" for _, rate in held if rate))
            yield (
                f"attach: the optimizer's own weight_decay={rates} acts in addition to {technique.text()} on "
                f"{', '.join(names[:5])}{', …' if len(names) > 5 else ''}; create the optimizer with weight_decay=0."
            )


def claim(model: nn.Module) -> None:
    """Mark a network as one with a recipe.

    Raises:
        InputError: another recipe is attached to it, or to a part of it.
    """
    layers = [module for module in model.modules() if any(True for _ in module.parameters(recurse=False))]
    if any(layer in ATTACHED for layer in layers):
        raise InputError(
            f"attach: a recipe is already attached to this network ({type(model).__name__}) or to a part of it; remove "
            "it with close(), or put all techniques into one recipe."
        )
    ATTACHED.update(layers)


def release(model: nn.Module) -> None:
    """Remove the mark of `claim`."""
    for module in model.modules():
        ATTACHED.discard(module)


def check_closure(closure: object) -> None:
    """Check the argument of `step`.

    Raises:
        InputError: it is not a function; gradient scalers are passed by keyword.
    """
    if closure is not None and not callable(closure):
        raise InputError(
            f"attach: step(closure) must be a function, got {type(closure).__name__}; pass a scaler as scaler=…."
        )
