"""What `attach` asks of a user's own loop, and what it says where it does not get it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from weakref import WeakSet

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer

from goodfit import surgery
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
    Scheduled,
    Synthesis,
    TrainableStrengths,
)
from goodfit.technique import Technique
from goodfit.train.stages.on_batch import DataStats, spread
from goodfit.train.stages.on_loss import shares
from goodfit.train.stages.on_sample import spares
from goodfit.train.stages.on_weights import WeightUpdater

Data = tuple[Tensor, Tensor]
CALLS: dict[str, tuple[type[Technique], str]] = {
    "batch": (OnBatch, "train on what x, y = reg.batch(x, y) gives"),
    "penalty": (OnLoss, "add reg.penalty() to the loss"),
    "rows": (OnSample, "draw the rows with reg.rows() or reg.sampler()"),
}
"""Method → the stage that acts by it, and what to do."""
AT_WORK: WeakSet[nn.Module] = WeakSet()
"""The layers of networks that a recipe is at work on."""


@dataclass(frozen=True, eq=False)
class Loop:
    """What is known of the loop."""

    optimizer: Optimizer | None
    loss: Callable[[Tensor, Tensor], Tensor] | None
    data: Data | None
    epochs: int | None
    steps_per_epoch: int | None
    seed: int
    inputs: Inputs | None = None

    def facts(self, device: torch.device) -> DataStats:
        """What techniques need to know of the training rows."""
        scale = torch.ones((), device=device) if self.data is None else spread(self.data[0]).to(device)
        found = self.inputs or (Inputs() if self.data is None else Inputs.of(self.data[0]))
        return DataStats([str(number) for number in range(self.classes)], scale, found)

    @property
    def classes(self) -> int:
        """The number of classes among the targets; 0 where they are numbers, or not known."""
        if self.data is None or self.data[1].is_floating_point():
            return 0
        return int(self.data[1].max()) + 1

    @property
    def task(self) -> Task:
        """What the training rows' targets are; numbers where there are none."""
        if not self.classes:
            return "regression"
        return "segmentation" if self.data and self.data[1].ndim > 2 else "classification"

    @property
    def total(self) -> int:
        """Optimizer steps of the whole training; 0 where that is not known."""
        return (self.epochs or 0) * (self.steps_per_epoch or 0)

    @property
    def context(self) -> Context:
        """What the linter is told. Statistics and decay are as in `fit`, or told apart by `twice_decayed`."""
        inputs = None if self.data is None else self.data[0]
        return Context(
            optimizer=type(self.optimizer).__name__.lower() if self.optimizer else "adam", epochs=self.epochs,
            task=self.task, rows=None if inputs is None else len(inputs),
            integer_inputs=inputs is not None and not inputs.is_floating_point(), manual_loop=False,
        )  # fmt: skip

    def frequencies(self, device: torch.device) -> Tensor | None:
        """The shares of the classes (class,) among the training rows, where there are classes."""
        return shares(self.data[1], self.classes).to(device) if self.data and self.classes else None


def check(model: nn.Module, recipe: Recipe, loop: Loop) -> None:
    """Refuse what does not fit, before anything is changed."""
    _check_arguments(model, loop)
    for technique in recipe:
        if isinstance(technique, Synthesis):
            raise InputError(
                f"{type(technique).__name__}: it makes rows before training begins; add those of "
                "synthesize(x, y, inputs, seed) to yours before the loop, and leave it out of the recipe."
            )
        for missing, why in _missing(technique, recipe, loop):
            raise InputError(f"{type(technique).__name__}: {why}; give attach(…, {missing}).")
        if isinstance(technique, Ensemble) and recipe.at(OnEpoch):
            raise InputError(
                f"{type(technique).__name__}: in a loop of your own it cannot keep the best epoch too; leave one out."
            )


def check_statistics(model: nn.Module, recipe: Recipe, loop: Loop) -> None:
    """Refuse averages of weights where statistics of batches would be missing for them."""
    averages = recipe.at(OnEval)
    if averages and loop.data is None and surgery.has_batch_norm(model):
        who = type(averages[0]).__name__
        raise InputError(f"{who}: batch norms need their statistics anew; give attach(…, data=(x, y)).")


def _check_arguments(model: nn.Module, loop: Loop) -> None:
    def must(holds: bool, name: str, rule: str, value: object) -> None:
        if not holds:
            raise InputError(f"attach: {name} must be {rule}, got {name}={value!r}.")

    must(isinstance(model, nn.Module), "model", "a network (torch.nn.Module)", model)
    if any(is_lazy(p) for p in model.parameters()):
        raise InputError("attach: the model's lazy layers have no weights yet; pass a batch through it first.")
    must(any(True for _ in model.parameters()), "model", "a network with weights", model)
    optimizer = loop.optimizer
    must(optimizer is None or isinstance(optimizer, Optimizer), "optimizer", "a torch.optim.Optimizer", optimizer)
    must(loop.loss is None or callable(loop.loss), "loss", "a function loss(output, y)", loop.loss)
    for name in ("epochs", "steps_per_epoch"):
        if getattr(loop, name) is not None:
            whole_number("attach", name, getattr(loop, name), 1)
    whole_number("attach", "seed", loop.seed, 0)
    must(loop.inputs is None or isinstance(loop.inputs, Inputs), "inputs", "goodfit.data.Inputs", loop.inputs)
    if loop.data is not None and not _rows(loop.data):
        raise InputError("attach: data must be the training rows, two tensors (x, y) of the same length.")


def _rows(data: object) -> bool:
    pair = isinstance(data, tuple | list) and len(data) == 2 and all(isinstance(part, Tensor) for part in data)
    return pair and len(data[0]) == len(data[1]) > 0  # type: ignore[index]


def _missing(technique: Technique, recipe: Recipe, loop: Loop) -> Iterator[tuple[str, str]]:
    """Arguments of `attach` that a technique needs and that were not given, with the reason."""
    if loop.optimizer is None:
        if isinstance(technique, TrainableStrengths):
            yield "optimizer=", "its strengths are learned along with the weights"
        elif acts_in_step(technique):
            yield "optimizer=", "it acts around the optimizer's step"
    if (_scheduled(technique) or isinstance(technique, ScalesLearningRate)) and not loop.total:
        yield "epochs=, steps_per_epoch=", "it must know how long training will be"
    if isinstance(technique, OnEval) and not loop.steps_per_epoch:
        yield "steps_per_epoch=", "it is counted in epochs"
    if technique.needs_targets == "labels" and not loop.classes:
        yield "data=(x, y)", "it must know the classes, which are whole numbers y"
    if isinstance(technique, Attack) and loop.loss is None:
        yield "loss=", "it moves the inputs against the data loss"
    if isinstance(technique, Attack) and loop.data is None:
        yield "data=(x, y)", "its strength is in units of the spread of the inputs"
    if isinstance(technique, Ensemble) and loop.data is None:
        yield "data=(x, y)", "it must know whether it averages probabilities of classes or numbers"
    if isinstance(technique, Augmentation) and loop.data is None and loop.inputs is None:
        yield "inputs=Inputs('image', low=0, high=1)", "it must know what the inputs are, and their range of values"
    if isinstance(technique, OnSample) and loop.data is None:
        yield "data=(x, y)", "it chooses among the training rows"


def _scheduled(technique: Technique) -> bool:
    return isinstance(technique, Scheduled) and technique.schedule != "constant"


def acts_in_step(technique: Technique) -> bool:
    """Whether a technique needs the optimizer's steps, to act around them or to count them."""
    return isinstance(technique, OnWeights | OnGrads | OnEval | ScalesLearningRate) or _scheduled(technique)


def classes_of(y: Tensor, recipe: Recipe, classes: int) -> None:
    """Refuse targets of a batch that cannot become probabilities."""
    techniques = recipe.at(OnBatch)
    if y.is_floating_point() or all(isinstance(t, Augmentation) and not t.classes for t in techniques):
        return
    names = ", ".join(t.name() for t in recipe.at(OnBatch))
    if not classes:
        raise InputError(
            f"attach: how many classes there are must be known ({names} asks for it); give attach(…, data=(x, y))."
        )
    if bool((y >= classes).any()):
        raise InputError(
            f"attach: a batch's classes must be among those of the training rows (0 to {classes - 1} in data=), "
            f"got {int(y.max())}."
        )


def spared(recipe: Recipe, only: Tensor | None) -> None:
    """Refuse a batch of which it is not known whom augmentations may change, where they spare some."""
    if only is None and recipe.at(Augmentation) and spares(recipe.at(OnSample)):
        raise InputError(
            "attach: class_balance spares rows that are drawn for the first time (augment='repeats'); give "
            "batch(x, y, only=reg.again(rows)[…]) the batch's part of it."
        )


def ready(recipe: Recipe, calls: Collection[str], optimizer: Optimizer) -> None:
    """Refuse a step before which something that the recipe needs was left out: it would do nothing, unseen."""
    for call, (stage, remedy) in CALLS.items():
        names = ", ".join(t.name() for t in recipe.at(stage))
        if names and call not in calls:
            raise InputError(f"attach: step() must follow {call}(), by which {names} acts; {remedy}.")
    if all(p.grad is None for group in optimizer.param_groups for p in group["params"]):
        raise InputError("attach: step() must follow backward(); no weight of the optimizer has a gradient.")


def twice_decayed(weights: WeightUpdater) -> Iterator[str]:
    """What to say where the optimizer's own weight decay acts beside the recipe's."""
    for technique, refs in weights.chosen:
        if isinstance(technique, QuadraticPenalty):
            shrinks = technique.coefficient() > 0
        else:
            shrinks = isinstance(technique, Decay) and technique.factor(1.0) < 1
        held = [(ref.name, weights.group(ref.tensor).get("weight_decay", 0.0)) for ref in refs if shrinks]
        names = [name for name, rate in held if rate]
        if names:
            rates = ", ".join(dict.fromkeys(f"{float(rate):g}" for _, rate in held if rate))
            yield (
                f"attach: the optimizer's own weight_decay={rates} acts beside {technique.text()} on "
                f"{', '.join(names[:5])}{', …' if len(names) > 5 else ''}; make the optimizer with weight_decay=0."
            )


def claim(model: nn.Module) -> None:
    """Note that a recipe is at work on a network; refuse a second one."""
    layers = [module for module in model.modules() if any(True for _ in module.parameters(recurse=False))]
    if any(layer in AT_WORK for layer in layers):
        raise InputError(
            "attach: a recipe is at work on this network (or on a part of it) already; end that one with close(), or "
            "put all techniques into one recipe."
        )
    AT_WORK.update(layers)


def release(model: nn.Module) -> None:
    """The recipe is no longer at work."""
    for module in model.modules():
        AT_WORK.discard(module)
